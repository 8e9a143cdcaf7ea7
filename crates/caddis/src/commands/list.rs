//! `caddis list`

use clap::Args;

use super::output::{look, now, print};
use crate::error::Error;
use crate::helper::{Call, Environment};
use crate::render::environments::{as_json, as_table};
use crate::session::require_own_environments;

/// List your environments: state, sessions, size of the changes, last use
///
/// `running` without sessions means that processes have outlasted the last one; `idle` that nothing runs but the
/// environment has not ended yet, so that the next session starts at once.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct List {
    /// Print JSON: an array of objects with name, uid, state, sessions, bytes, and used (seconds since 1970, or null)
    #[arg(long)]
    pub json: bool,

    /// Print the names only, for shell completion
    #[arg(long, hide = true, conflicts_with = "json")]
    pub names: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis list
  caddis list --json | jq -r '.[] | select(.bytes > 1e9) | .name'";

impl List {
    /// Asks the helper and shows what it says.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let (list, status) = environments(&Call::new("list"))?;
        let text = match (self.json, self.names) {
            (true, _) => as_json(&list, None)?,
            (_, true) => list
                .iter()
                .map(|environment| format!("{}\n", environment.name))
                .collect(),
            _ if list.is_empty() => {
                // Not an answer that a script would read.
                eprint("No environments yet. `caddis enter` makes the first one.\n");
                String::new()
            }
            _ => as_table(&list, None, now(), look()),
        };
        print(&text)?;
        Ok(status)
    }
}

/// The environments that a call of `list` names, and the status to end with: the helper has said which it could not
/// look at.
pub fn environments(call: &Call) -> Result<(Vec<Environment>, u8), Error> {
    let (records, status) = call.answer()?;
    let list: Result<Vec<Environment>, Error> = records.iter().map(Environment::read).collect();
    Ok((list?, status))
}

fn eprint(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

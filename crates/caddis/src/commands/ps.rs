//! `caddis ps`

use std::ffi::OsString;

use caddis_policy::EnvName;
use clap::Args;

use super::output::{Names, look, now, print};
use crate::error::Error;
use crate::helper::{Call, Process};
use crate::render::processes::{as_json, as_table};
use crate::session::{environment_name, require_own_environments};

/// List the processes in your environments
///
/// SESSION is the first process of the session that a process belongs to.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Ps {
    /// Only this environment's
    #[arg(value_name = "ENV")]
    pub env: Option<OsString>,

    /// Print JSON: an array of objects with env, uid, pid, host_pid, user, session, tty, start and command
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis ps
  caddis ps project --json";

impl Ps {
    /// Asks the helper and shows what it says.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let name = self.env.map(|name| environment_name(&name)).transpose()?;
        show(
            &Call::new("ps").operands(name.as_ref().map(EnvName::as_str)),
            false,
            self.json,
        )
    }
}

/// Shows the processes that a call of `ps` names.
pub fn show(call: &Call, owners: bool, json: bool) -> Result<u8, Error> {
    let (records, status) = call.answer()?;
    let list: Vec<Process> = records
        .iter()
        .map(Process::read)
        .collect::<Result<_, _>>()?;
    let names = Names::default();
    let text = match json {
        true => as_json(&list)?,
        false => as_table(&list, &|uid| names.name(uid), owners, now(), look()),
    };
    print(&text)?;
    Ok(status)
}

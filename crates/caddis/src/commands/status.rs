//! `caddis status`

use clap::Args;

use super::list::environments;
use super::output::{look, now, print};
use super::target::Target;
use crate::error::Error;
use crate::helper::Changes;
use crate::render::package_notes::Note;
use crate::render::status::{Status, as_json, as_text};

/// Show an environment at a glance: state, size, changes, and what was changed below since
///
/// A file of your own hides later changes of the administrator's to that file, security updates among them: such files
/// are named.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusOf {
    #[command(flatten)]
    pub target: Target,

    /// Print JSON: an object with name, uid, state, sessions, bytes, used, changes (added, modified, deleted, type,
    /// permissions), shadowed (an array of objects with path and changed, in seconds since 1970) and packages (what could
    /// not be brought together with the base's: an array of objects with kind)
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis status                                      the one you are in, or your default one
  caddis status -e project                           another one
  caddis status --json | jq -r '.shadowed[].path'    yours, and changed below since";

impl StatusOf {
    /// Asks the helper, and shows what it says.
    pub fn run(self) -> Result<u8, Error> {
        let name = self.target.name()?;
        let mut changes = Changes::of(self.target.call("diff")?, Some(&name), false, Vec::new())?;
        let mut status = Status::default();
        while let Some(change) = changes.next()? {
            status.count(&change);
        }
        changes.end()?;
        let packages = self.target.call("packages")?.operands([&name]).records()?;
        status.packages = packages.iter().map(Note::read).collect::<Result<_, _>>()?;
        let (list, _) = environments(&self.target.call("list")?)?;
        let Some(environment) = list.into_iter().find(|one| one.name == name) else {
            return Err(Error::failed(format!(
                "look at the environment \"{name}\": it was removed meanwhile"
            )));
        };
        let text = match self.json {
            true => as_json(&environment, &status)?,
            false => as_text(&environment, &status, now(), look()),
        };
        print(&text)?;
        Ok(0)
    }
}

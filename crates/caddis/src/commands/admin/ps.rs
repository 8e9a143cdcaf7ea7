//! `caddis admin ps`

use clap::Args;

use super::scope::{Scope, require_root};
use crate::commands::ps::show;
use crate::error::Error;
use crate::helper::Call;

/// List the processes in users' environments
///
/// A process with "-" for its environment is in none: it runs on the host with an id of its owner's
/// environments, as a setuid program does that root of an environment has left in the home
/// directory. PID is then its number on the host.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Ps {
    #[command(flatten)]
    scope: Scope,

    /// Print JSON: as `caddis ps --json`; env is null for a process outside of environments
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin ps
  caddis admin ps --user alice";

impl Ps {
    /// Asks the helper and shows what it says.
    pub fn run(self) -> Result<u8, Error> {
        require_root(
            "list the processes of users' environments",
            "`caddis ps` lists your own",
        )?;
        show(&self.scope.apply(Call::new("ps"))?, true, self.json)
    }
}

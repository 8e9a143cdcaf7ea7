//! `caddis admin ps`

use clap::Args;

use super::scope::{Scope, require_root};
use crate::commands::ps::show;
use crate::error::Error;
use crate::helper::Call;

/// List the processes in users' environments
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Ps {
    #[command(flatten)]
    scope: Scope,

    /// Print JSON: as `caddis ps --json`
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

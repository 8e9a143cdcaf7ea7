//! `caddis stop`

use std::ffi::OsString;

use caddis_policy::EnvName;
use clap::Args;

use crate::error::Error;
use crate::helper::Call;
use crate::session::{environment_name, require_own_environments};

/// End all sessions and processes of an environment
///
/// Processes are asked to end first, and made to a little later. What was changed stays.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Stop {
    /// The environment [default: the one you are in, else yours, see `caddis config`]
    #[arg(value_name = "ENV", conflicts_with = "all")]
    pub env: Option<OsString>,

    /// All of your environments
    #[arg(short, long)]
    pub all: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis stop            the environment you are in, or your default one
  caddis stop project
  caddis stop --all";

impl Stop {
    /// Has the helper do it.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let name = self.env.as_deref().map(environment_name).transpose()?;
        let call = Call::new("stop").flag("--every", self.all);
        match call.operands(name.iter().map(EnvName::as_str)).exec()? {}
    }
}

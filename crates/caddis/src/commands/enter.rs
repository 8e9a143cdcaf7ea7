//! `caddis enter`

use std::ffi::OsString;

use clap::Args;

use crate::error::Error;
use crate::session::{Request, Role, start};

/// Open a login shell in an environment
///
/// The environment is made if it is not there yet. Inside, you are yourself, with your home and your groups; `caddis
/// root` (or sudo, where installed) makes you root.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Enter {
    /// The environment; `default` if left out
    #[arg(value_name = "ENV")]
    pub env: Option<OsString>,

    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis enter             your default environment
  caddis enter project     another one, made now if there is none of that name";

impl Enter {
    /// Becomes the shell.
    pub fn run(self) -> Result<u8, Error> {
        start(Request {
            environment: self.env,
            dry_run: self.dry_run,
            ..Request::new(Role::Login)
        })
    }
}

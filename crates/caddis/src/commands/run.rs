//! `caddis run`

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::error::Error;
use crate::session::{Request, Role, start};

/// Run a command in an environment
///
/// Its exit status, signals, standard streams, terminal and working directory are passed through. The environment is
/// made if it is not there yet. What follows COMMAND belongs to the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// The environment [default: yours, see `caddis config`]
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<OsString>,

    /// Run in this user's environment, as this user (root only)
    ///
    /// The command gets a terminal of its own and the variables of a fresh login. It starts in the current directory or,
    /// where the user cannot enter that, in their home.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub user: Option<OsString>,

    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  caddis run make -j8                      in your default environment
  caddis run -e project python3 train.py   in another one
  caddis run -- -odd-name                  a command that begins with a dash
  caddis run --user alice id               root, for alice

Exit status: the command's own; 128+n if signal n ended it; 125 if Caddis failed;
126 if the command cannot be executed; 127 if it was not found.";

impl Run {
    /// Becomes the command.
    pub fn run(self) -> Result<u8, Error> {
        start(Request {
            environment: self.env,
            user: self.user,
            command: self.command,
            dry_run: self.dry_run,
            ..Request::new(Role::User)
        })
    }
}

//! `caddis root`

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::error::Error;
use crate::session::{Request, Role, start};

/// Run a command, or a shell, as the root of an environment
///
/// From outside as well as from inside. This root is root over your own view of the machine, never over the machine.
/// What follows COMMAND belongs to the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Root {
    /// The environment [default: the one you are in, else `default`]
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<OsString>,

    /// Run in this user's environment (root only)
    ///
    /// The command gets a terminal of its own and the variables of a fresh login. It starts in the current directory or,
    /// where the user cannot enter that, in their home.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub user: Option<OsString>,

    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,

    /// The command and its arguments; a login shell if left out
    #[arg(value_name = "COMMAND", trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  caddis root                              a root shell
  caddis root apt-get install -y cowsay    install a package
  caddis root -e project                   a root shell in another environment

Exit status: the command's own; 128+n if signal n ended it; 125 if Caddis failed;
126 if the command cannot be executed; 127 if it was not found.";

impl Root {
    /// Becomes the command.
    pub fn run(self) -> Result<u8, Error> {
        start(Request {
            environment: self.env,
            user: self.user,
            command: self.command,
            dry_run: self.dry_run,
            ..Request::new(Role::Root)
        })
    }
}

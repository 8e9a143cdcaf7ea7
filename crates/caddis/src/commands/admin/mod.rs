//! `caddis admin`: looking after everybody's environments.

pub mod list;
pub mod login;
mod orphans;
pub mod policy;
pub mod ps;
pub mod refresh;
pub mod remove;
mod scope;
pub mod sessions;
pub mod stop;
pub mod watch;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::error::Error;

/// Look after everybody's environments (root only)
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Admin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Ps(ps::Ps),
    Sessions(sessions::Sessions),
    Stop(stop::Stop),
    Remove(remove::Remove),
    Refresh(refresh::Refresh),
    Watch(watch::Watch),
    Login(login::Login),
    Policy(policy::Policy),
}

const EXAMPLES: &str = "\
Examples:
  caddis admin list                    all users' environments
  caddis admin sessions --stale        who still runs what an update has replaced
  caddis admin stop --user alice       end all that alice runs
  caddis admin remove --orphans        remove what deleted accounts have left
  caddis admin refresh                 show running environments what you have changed on the host
  caddis admin login enable            have all users' logins lead into their environments
  caddis admin policy check            is /etc/caddis/policy.toml in order?";

impl Admin {
    /// Runs the command.
    pub fn run(self) -> Result<u8, Error> {
        match self.command {
            Command::List(command) => command.run(),
            Command::Ps(command) => command.run(),
            Command::Sessions(command) => command.run(),
            Command::Stop(command) => command.run(),
            Command::Remove(command) => command.run(),
            Command::Refresh(command) => command.run(),
            Command::Watch(command) => command.run(),
            Command::Login(command) => command.run(),
            Command::Policy(command) => command.run(),
        }
    }
}

/// What goes on all the same, but should be known.
fn warn(text: &str) {
    // Nobody is left to read it if standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "caddis: warning: {text}");
}

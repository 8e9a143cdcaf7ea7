//! `caddis admin login`: whether logins lead into environments.
//!
//! | module | idea |
//! |---|---|
//! | [`group_name`] | a group's name that sshd's lists can hold |
//! | [`drop_in`] | the drop-in as text, and back |
//! | [`place`] | the drop-in as a file: read, replaced, removed |
//! | [`sshd`], [`candidate`] | asking sshd what it makes of its configuration, as it is or as it would be |
//! | [`reach`], [`survey`] | for whom the drop-in would count, and what goes past it |
//! | [`program`] | `caddis-login` itself, and whose login shell it is |
//! | [`reload`] | having the running sshd read its configuration |

mod candidate;
mod disable;
mod drop_in;
mod enable;
mod group_name;
mod place;
mod program;
mod reach;
mod reload;
mod sshd;
mod status;
mod survey;

use caddis_policy::Policy;
use clap::{Args, Subcommand};

use super::warn;

use crate::doctor::load_policy;
use crate::error::Error;
use crate::helper::Level;

/// Have logins lead into environments
///
/// By a file in /etc/ssh/sshd_config.d that has sshd run caddis-login instead of the user's shell. Root and the members
/// of the policy's login.bypass_groups are never concerned.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Login {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Enable(enable::Enable),
    Disable(disable::Disable),
    Status(status::Status),
}

const EXAMPLES: &str = "\
Examples:
  caddis admin login enable --group students
  caddis admin login status
  caddis admin login disable";

impl Login {
    /// Runs the command.
    pub fn run(self) -> Result<u8, Error> {
        match self.command {
            Command::Enable(command) => command.run(),
            Command::Disable(command) => command.run(),
            Command::Status(command) => command.run(),
        }
    }
}

/// The host's policy, if it is in order.
fn policy() -> Result<Policy, Error> {
    let (policy, check) = load_policy();
    if check.level == Level::Ok {
        return Ok(policy);
    }
    let error = Error::failed(format!("read policy: {}", check.text));
    Err(match check.hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

/// "a", "a and b", "a, b and c".
fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(T::as_ref).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

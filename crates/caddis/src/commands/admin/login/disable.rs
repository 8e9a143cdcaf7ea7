//! `caddis admin login disable`

use clap::Args;

use super::place::{self, Place};
use super::reload::reload;
use super::sshd::{View, check};
use super::{listed, program, warn};
use crate::commands::admin::scope::require_root;
use crate::commands::output::print;
use crate::error::Error;

/// Have logins over ssh lead to the plain host again
///
/// Needs neither the policy nor caddis-login. Sessions that run go on. If sshd finds its configuration broken for another
/// reason, our part of it is taken away all the same, but the running sshd is not told: it would end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Disable {
    /// Do not tell the running sshd
    #[arg(long)]
    no_reload: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin login disable
  caddis admin login disable --no-reload && systemctl restart ssh";

impl Disable {
    /// Takes the drop-in away.
    pub fn run(self) -> Result<u8, Error> {
        require_root(
            "disable logins into environments",
            "ask the administrator of this machine",
        )?;
        let was_there = match Place::lock()? {
            Some(place) => place.remove()?,
            None => false,
        };
        print(match was_there {
            true => "Logins over ssh lead to the plain host.\n",
            false => "Logins over ssh lead to the plain host, as before.\n",
        })?;
        warn_of_login_shells()?;
        if self.no_reload {
            return Ok(0);
        }
        // Also when nothing was there: who removed it by hand may not have told sshd.
        if let Err(error) = check(View::AsItIs) {
            let removed = if was_there {
                format!("{} is removed, but ", place::path())
            } else {
                String::new()
            };
            let text = format!(
                "{removed}the running sshd was not told and goes on as it was: {}",
                error.message()
            );
            return Err(Error::failed(text).hint("put that right (`sshd -t`), then reload sshd"));
        }
        print(&format!("{}\n", reload()?))?;
        Ok(0)
    }
}

/// The other way into environments, which only the administrator can take back.
fn warn_of_login_shells() -> Result<(), Error> {
    let accounts = program::login_shell_of()?;
    if let Some(first) = accounts.first() {
        warn(&format!(
            "caddis-login is still the login shell of {} (change it: usermod -s /bin/bash {first})",
            listed(&accounts)
        ));
    }
    Ok(())
}

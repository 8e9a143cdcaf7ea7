//! Whose environments an administrator means.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::error::Error;
use crate::helper::Call;
use crate::helper::call::for_value;
use crate::user::{Account, group};

/// One user or all.
#[derive(Debug, Args)]
pub struct Scope {
    /// Only this user's
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub user: Option<OsString>,

    /// All users'
    #[arg(long, conflicts_with = "user")]
    pub all: bool,
}

impl Scope {
    /// Adds the scope to a call; all users are meant where none is named.
    pub fn apply(&self, call: Call) -> Result<Call, Error> {
        let Some(name) = &self.user else {
            return Ok(call.flag("--all", true));
        };
        // An account that is gone has left its number.
        let number = name.to_str().and_then(|name| name.parse::<u32>().ok());
        let account = match (Account::existing(name, "look up"), number) {
            (Err(_), Some(uid)) => return Ok(call.option("--for", for_value(uid, &[uid]))),
            (account, _) => account?,
        };
        let groups = group::groups_of(&account)?;
        Ok(call.option("--for", for_value(account.uid, &groups)))
    }
}

/// Refuses anybody but root, before the helper would.
pub fn require_root(what: &str, own: &str) -> Result<(), Error> {
    if rustix::process::getuid().is_root() {
        return Ok(());
    }
    Err(Error::failed(format!("{what}: only root may do that")).hint(own))
}

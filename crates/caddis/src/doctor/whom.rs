//! The user for whom the host is checked.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use caddis_policy::{Policy, Who};

use super::{fail, ok};
use crate::error::{Error, reason_of};
use crate::helper::Check;
use crate::user::{Account, group};

/// A user with their groups.
#[derive(Debug)]
pub struct Whom {
    pub account: Account,
    pub groups: Vec<u32>,
    /// Whether root asks for them.
    pub somebody_else: bool,
}

impl Whom {
    /// The user named, else the caller; nobody for root, who has no environment.
    pub fn find(name: Option<&OsStr>) -> Result<Option<Self>, Error> {
        let uid = rustix::process::getuid().as_raw();
        let Some(name) = name else {
            let account = if uid == 0 {
                None
            } else {
                Account::by_uid(uid)?
            };
            return account.map(Self::caller).transpose();
        };
        let account = Account::existing(name, "check for")?;
        match (uid, account.uid) {
            (_, own) if own == uid && uid != 0 => Self::caller(account).map(Some),
            (0, other) if other != 0 => {
                let groups = group::groups_of(&account)?;
                Ok(Some(Self {
                    account,
                    groups,
                    somebody_else: true,
                }))
            }
            (0, _) => Ok(None),
            _ => Err(Error::failed(format!(
                "check for user {}: only root may do that",
                name.display()
            ))),
        }
    }

    fn caller(account: Account) -> Result<Self, Error> {
        let own = rustix::process::getgid().as_raw();
        let others = rustix::process::getgroups()
            .map_err(|error| Error::io("ask for", "one's own groups", error))?;
        let groups = std::iter::once(own)
            .chain(others.into_iter().map(|gid| gid.as_raw()))
            .collect();
        Ok(Self {
            account,
            groups,
            somebody_else: false,
        })
    }

    /// Is there a home to see inside?
    pub fn home(&self) -> Check {
        let home = Path::new(&self.account.home);
        let (shown, name) = (home.display(), self.account.name.display());
        let metadata = match std::fs::metadata(home) {
            Ok(metadata) => metadata,
            Err(error) => {
                let hint = format!("make it, or correct the home directory of {name}");
                return fail("home", format!("{shown}: {}", reason_of(&error)), hint);
            }
        };
        if !metadata.is_dir() {
            return fail(
                "home",
                format!("{shown} is not a directory"),
                format!("correct the home directory of {name}"),
            );
        }
        if metadata.uid() != self.account.uid {
            return fail(
                "home",
                format!("{shown} does not belong to {name}"),
                format!("chown {name} {shown}"),
            );
        }
        ok("home", format!("{shown} is there"))
    }

    /// Does the policy let them?
    pub fn access(&self, policy: &Policy) -> Check {
        let who = Who {
            uid: self.account.uid,
            user_name: Some(self.account.name.as_encoded_bytes()),
            gids: &self.groups,
            group_name: &group::name_of,
        };
        match policy.access.allows(&who) {
            Ok(()) => ok(
                "access",
                format!("{} may use Caddis", self.account.name.display()),
            ),
            Err(refusal) => fail(
                "access",
                refusal.to_string(),
                "ask the administrator of this machine",
            ),
        }
    }
}

//! Who may use Caddis.

use std::fmt;

use crate::accounts::shown;

/// The table `access`: entries are names, decimal numbers, or `*` for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Lower uids are system accounts and have no environments.
    pub min_uid: u32,
    /// These users may.
    pub users: Vec<String>,
    /// Members of these groups may.
    pub groups: Vec<String>,
    /// These users may not, whatever the lists above say.
    pub deny_users: Vec<String>,
    /// Members of these groups may not.
    pub deny_groups: Vec<String>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            min_uid: 1000,
            users: vec!["*".to_owned()],
            groups: Vec::new(),
            deny_users: Vec::new(),
            deny_groups: Vec::new(),
        }
    }
}

/// A person who asks for an environment.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    /// Their uid.
    pub uid: u32,
    /// Their name, if it could be found.
    pub user_name: Option<&'a [u8]>,
    /// All of their groups, the primary one included.
    pub gids: &'a [u32],
    /// Finds the name of a group. Only called if an entry cannot be decided without it, because a
    /// look-up may mean running a program.
    pub group_name: &'a dyn Fn(u32) -> Option<Vec<u8>>,
}

impl fmt::Debug for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Who")
            .field("uid", &self.uid)
            .field("user_name", &self.user_name)
            .field("gids", &self.gids)
            .finish_non_exhaustive()
    }
}

/// Why somebody may not use Caddis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// uid 0 has no environment of its own.
    #[error("uid 0 has no environment of its own")]
    Root,
    /// A system account.
    #[error("uid {uid} is below {min_uid}, the first that may use Caddis (policy: access.min_uid)")]
    SystemAccount {
        /// The caller.
        uid: u32,
        /// The policy's lowest uid.
        min_uid: u32,
    },
    /// The user is on the list of those who may not.
    #[error("user {user} may not use Caddis (policy: access.deny_users)")]
    UserDenied {
        /// Name or uid.
        user: String,
    },
    /// A group of the user is on the list of those who may not.
    #[error("members of group {group} may not use Caddis (policy: access.deny_groups)")]
    GroupDenied {
        /// Name or gid.
        group: String,
    },
    /// Users are denied by name, and the caller's name could not be found.
    #[error(
        "uid {uid} has no name that could be found, and the policy denies some users by name \
         (policy: access.deny_users)"
    )]
    UserUnknown {
        /// The caller.
        uid: u32,
    },
    /// Groups are denied by name, and the name of one of the caller's groups could not be found.
    #[error(
        "group {gid} has no name that could be found, and the policy denies some groups by name \
         (policy: access.deny_groups)"
    )]
    GroupUnknown {
        /// The group.
        gid: u32,
    },
    /// Neither the user nor a group of theirs is on a list of those who may.
    #[error(
        "user {user} is not among those who may use Caddis (policy: access.users, access.groups)"
    )]
    NotListed {
        /// Name or uid.
        user: String,
    },
}

impl Access {
    /// Whether `who` may use Caddis: not uid 0, not below `min_uid`, not denied, and listed.
    ///
    /// # Errors
    /// Says which rule of the policy refuses.
    pub fn allows(&self, who: &Who<'_>) -> Result<(), Refusal> {
        if who.uid == 0 {
            return Err(Refusal::Root);
        }
        if who.uid < self.min_uid {
            return Err(Refusal::SystemAccount {
                uid: who.uid,
                min_uid: self.min_uid,
            });
        }
        self.deny_user(who)?;
        self.deny_group(who)?;
        if self.lists_user(who) || who.is_in(&self.groups) {
            return Ok(());
        }
        Err(Refusal::NotListed { user: who.label() })
    }

    fn deny_user(&self, who: &Who<'_>) -> Result<(), Refusal> {
        for entry in &self.deny_users {
            if matches(entry, who.uid, who.user_name) {
                return Err(Refusal::UserDenied { user: who.label() });
            }
        }
        // A user can make look-ups fail (limits, a full process table). Not knowing a name must
        // therefore never be a way around a rule that is written with names.
        if who.user_name.is_none() && self.deny_users.iter().any(|entry| is_name(entry)) {
            return Err(Refusal::UserUnknown { uid: who.uid });
        }
        Ok(())
    }

    fn deny_group(&self, who: &Who<'_>) -> Result<(), Refusal> {
        if self.deny_groups.is_empty() {
            return Ok(());
        }
        let by_name = self.deny_groups.iter().any(|entry| is_name(entry));
        for &gid in who.gids {
            let name = if by_name { (who.group_name)(gid) } else { None };
            if self
                .deny_groups
                .iter()
                .any(|entry| matches(entry, gid, name.as_deref()))
            {
                let group = name.map_or_else(|| gid.to_string(), |name| shown(&name));
                return Err(Refusal::GroupDenied { group });
            }
            // As above: an unknown name does not prove innocence.
            if by_name && name.is_none() {
                return Err(Refusal::GroupUnknown { gid });
            }
        }
        Ok(())
    }

    fn lists_user(&self, who: &Who<'_>) -> bool {
        self.users
            .iter()
            .any(|entry| matches(entry, who.uid, who.user_name))
    }
}

impl Who<'_> {
    /// Whether a group of theirs is in the list.
    pub(crate) fn is_in(&self, groups: &[String]) -> bool {
        // Numbers first: they cost nothing.
        let listed =
            |gid: u32, name: Option<&[u8]>| groups.iter().any(|entry| matches(entry, gid, name));
        if self.gids.iter().any(|&gid| listed(gid, None)) {
            return true;
        }
        groups.iter().any(|entry| is_name(entry))
            && self
                .gids
                .iter()
                .any(|&gid| listed(gid, (self.group_name)(gid).as_deref()))
    }

    fn label(&self) -> String {
        self.user_name.map_or_else(|| self.uid.to_string(), shown)
    }
}

/// Entries made of digits are ids and never names, so that an account with a name of digits
/// cannot pass for somebody else's uid.
fn is_name(entry: &str) -> bool {
    entry != "*" && !is_number(entry)
}

fn is_number(entry: &str) -> bool {
    !entry.is_empty() && entry.bytes().all(|byte| byte.is_ascii_digit())
}

fn matches(entry: &str, id: u32, name: Option<&[u8]>) -> bool {
    if entry == "*" {
        true
    } else if is_number(entry) {
        entry.parse() == Ok(id)
    } else {
        name == Some(entry.as_bytes())
    }
}

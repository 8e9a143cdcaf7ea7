//! Who calls, from where, and for whom. Only the kernel is asked.

use crate::arguments::{Request, Target};
use crate::host::{local_name, sub_ids};
use caddis_policy::{Policy, Who, id_range};
use caddis_view::error::Context;
use caddis_view::{Error, Identity};
use rustix::process::{Gid, Uid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid};
use std::collections::BTreeSet;

/// Where this program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the host, as root.
    Host,
    /// In an environment (or another container), as its root.
    Inside,
    /// Without root's rights.
    NotSetuid,
}

/// The inode number of the initial user namespace, the same on every Linux: `PROC_USER_INIT_INO`.
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// Finds out where we are. The setuid bit only works where the file's owner, the host's root or an
/// environment's, has a place in the user namespace, so effective root is never more than it seems.
pub(crate) fn place() -> Place {
    let namespace = rustix::fs::stat("/proc/self/ns/user");
    match namespace {
        _ if !geteuid().is_root() => Place::NotSetuid,
        Ok(stat) if stat.st_ino == INITIAL_USER_NAMESPACE => Place::Host,
        _ => Place::Inside,
    }
}

/// Makes what this program creates root's group's too; the real group id stays the caller's.
pub(crate) fn own_group() -> Result<(), Error> {
    let root = Some(Gid::from_raw(0));
    set_thread_res_gid(Some(getgid()), root, root).doing("setresgid", || 0)
}

/// For whom something is done.
#[derive(Debug)]
pub(crate) struct Whom {
    /// The user; `None`: root asks for everybody.
    user: Option<User>,
    /// Root asks, for somebody else.
    pub(crate) by_root: bool,
}

#[derive(Debug)]
struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    name: Option<String>,
}

impl Whom {
    /// The caller, or whom root names.
    pub(crate) fn of(request: &Request) -> Result<Whom, Error> {
        let by_root = getuid().is_root();
        if !by_root && (request.target.is_some() || request.everybody) {
            let reason = "only root may do so";
            return Err(Error::refused("act", "for somebody else", reason));
        }
        let user = match &request.target {
            Some(Target { uid, gids }) => {
                take_groups(gids)?;
                let login = request.login.clone();
                Some(User::new(*uid, gids, login))
            }
            None if request.everybody => None,
            None => {
                let mut gids = vec![getgid().as_raw()];
                let groups = getgroups().doing("getgroups", || "of the caller")?;
                gids.extend(groups.into_iter().map(Gid::as_raw));
                Some(User::new(getuid().as_raw(), &gids, None))
            }
        };
        Ok(Whom { user, by_root })
    }

    /// The users whose environments are meant.
    pub(crate) fn uids(&self, policy: &Policy) -> Result<Vec<u32>, Error> {
        match &self.user {
            Some(user) => {
                user.may_use(policy)?;
                Ok(vec![user.uid])
            }
            None => caddis_view::store::Environments::users(&policy.storage.state),
        }
    }

    /// The one user, who must be allowed to use Caddis.
    pub(crate) fn uid(&self, policy: &Policy) -> Result<u32, Error> {
        let user = self.user()?;
        user.may_use(policy)?;
        Ok(user.uid)
    }

    /// The one user, with the ids inside.
    pub(crate) fn identity(&self, policy: &Policy) -> Result<Identity, Error> {
        let user = self.user()?;
        user.may_use(policy)?;
        let name = user.name.as_deref();
        let (subuid, subgid) = if policy.ids.subuid {
            (sub_ids("/etc/subuid")?, sub_ids("/etc/subgid")?)
        } else {
            (Vec::new(), Vec::new())
        };
        let range = id_range(&policy.ids, user.uid, name, &subuid, &subgid).map_err(|error| {
            Error::refused("find", format!("an id range for user {}", user.uid), error)
                .hint("the administrator can add one to /etc/subuid and /etc/subgid, or see `ids` in the policy")
        })?;
        Ok(Identity {
            uid: user.uid,
            gid: user.gid,
            groups: user.groups.clone(),
            range,
        })
    }

    fn user(&self) -> Result<&User, Error> {
        self.user
            .as_ref()
            .ok_or_else(|| Error::refused("act", "for everybody", "name a user"))
    }
}

impl User {
    fn new(uid: u32, gids: &[u32], name: Option<String>) -> User {
        let groups: BTreeSet<u32> = gids.iter().copied().collect();
        User {
            uid,
            gid: gids.first().copied().unwrap_or(uid),
            groups: groups.into_iter().collect(),
            name: name.or_else(|| local_name("/etc/passwd", uid)),
        }
    }

    fn may_use(&self, policy: &Policy) -> Result<(), Error> {
        if self.uid == 0 {
            return Err(Error::refused(
                "use",
                "an environment as uid 0",
                "root has no environment of its own",
            )
            .hint("`caddis run --user NAME COMMAND` runs one for a user; `caddis admin --help` shows the rest"));
        }
        let who = Who {
            uid: self.uid,
            user_name: self.name.as_deref(),
            gids: &self.groups,
            group_name: &|gid| local_name("/etc/group", gid),
        };
        policy.access.allows(&who).map_err(|refusal| {
            Error::refused("use", "Caddis", refusal).hint("the administrator decides who may")
        })
    }
}

/// Root's groups give way to those of the user: the guard is created with them.
fn take_groups(gids: &[u32]) -> Result<(), Error> {
    let groups: Vec<Gid> = gids.iter().map(|gid| Gid::from_raw(*gid)).collect();
    set_thread_groups(&groups).doing("setgroups", || "of the user")
}

/// The user that an environment belongs to, as seen from inside: the one whose id stands for itself.
pub(crate) fn inside_owner() -> Option<Uid> {
    let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
    map.lines().find_map(|line| {
        let fields: Vec<u32> = line
            .split_ascii_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        match fields.as_slice() {
            [inside, outside, 1] if inside == outside => Some(Uid::from_raw(*inside)),
            _ => None,
        }
    })
}

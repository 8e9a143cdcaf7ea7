//! Who calls, from where, and for whom. Only the kernel is asked.

use crate::arguments::{Request, Target, Verb};
use crate::host::{local_name, range};
use caddis_policy::{INITIAL_USER_NAMESPACE, Policy, Who};
use caddis_sys::{Signals, block_all};
use caddis_view::error::Context;
use caddis_view::{Error, Identity};
use rustix::process::{
    DumpableBehavior, Gid, Uid, geteuid, getgid, getgroups, getuid, set_dumpable_behavior,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Where this program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the host, as root.
    Host,
    /// In an environment (or another container), as its root.
    Inside,
    /// Without root's rights.
    NotSetuid,
    /// `/proc` does not tell.
    Unknown,
}

/// Finds out where we are. The setuid bit only works where the file's owner, the host's root or an
/// environment's, has a place in the user namespace, so effective root is never more than it seems.
pub(crate) fn place() -> Place {
    let namespace = rustix::fs::stat("/proc/self/ns/user");
    match namespace {
        _ if !geteuid().is_root() => Place::NotSetuid,
        Ok(stat) if stat.st_ino == INITIAL_USER_NAMESPACE => Place::Host,
        Ok(_) => Place::Inside,
        Err(_) => Place::Unknown,
    }
}

static CALLER: OnceLock<(Uid, Gid)> = OnceLock::new();

fn real_ids() -> (Uid, Gid) {
    *CALLER.get_or_init(|| (getuid(), getgid()))
}

/// The real user id of whoever called, also after it has been given up.
pub(crate) fn real_uid() -> u32 {
    real_ids().0.as_raw()
}

/// Takes this process out of the caller's reach, for it will hold locks that root waits for as well: its
/// real ids become root's, so the caller's signals are refused, and those of the terminal are blocked.
/// Returns what the caller had blocked.
pub(crate) fn out_of_reach() -> Result<Signals, Error> {
    real_ids();
    let mask = block_all().doing("block", || "signals")?;
    let (user, group) = (Some(Uid::ROOT), Some(Gid::ROOT));
    set_thread_res_gid(group, group, group).doing("setresgid", || 0)?;
    set_thread_res_uid(user, user, user).doing("setresuid", || 0)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("prctl", || "PR_SET_DUMPABLE")?;
    Ok(mask)
}

/// Becomes the caller, for good, once nothing is left to do but to tell. What is told may be the caller's own text, and
/// where it goes to is theirs as well: for some files the kernel asks who writes, not who has opened them
/// (`/proc/PID/oom_score_adj`), and root's writes get the blocks of a file system that are reserved for root.
pub(crate) fn only_tell() -> Result<(), Error> {
    let (user, group) = real_ids();
    set_thread_res_gid(Some(group), Some(group), Some(group))
        .doing("setresgid", || "the caller")?;
    // All capabilities go with root's ids.
    set_thread_res_uid(Some(user), Some(user), Some(user)).doing("setresuid", || "the caller")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("prctl", || "PR_SET_DUMPABLE")
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
            Some(_) => Ok(vec![self.uid(policy)?]),
            None => caddis_view::store::Environments::users(&policy.storage.state),
        }
    }

    /// The one user, who must be allowed to use Caddis; root may look after the environments of one who
    /// no longer is.
    pub(crate) fn uid(&self, policy: &Policy) -> Result<u32, Error> {
        let user = self.user()?;
        if !self.by_root || user.uid == 0 {
            user.may_use(policy)?;
        }
        Ok(user.uid)
    }

    /// The one user, with the ids inside.
    pub(crate) fn identity(&self, policy: &Policy) -> Result<Identity, Error> {
        let user = self.user()?;
        user.may_use(policy)?;
        let range = range(policy, user.uid, user.name.as_deref())?;
        Ok(Identity {
            uid: user.uid,
            gid: user.gid,
            groups: user.groups.clone(),
            range,
        })
    }

    /// The user whose environments must be their own before this request is dealt with; `None`: it is root who looks
    /// after whatever there is, or asks about the host.
    pub(crate) fn owner(&self, request: &Request) -> Option<u32> {
        let looks_after = self.by_root && !request.needs_rules();
        let user = self.user.as_ref().filter(|user| user.uid != 0)?;
        (!looks_after && !matches!(request.verb, Verb::Check)).then_some(user.uid)
    }

    /// Whether root asks for nobody else.
    pub(crate) fn is_root(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.uid == 0)
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

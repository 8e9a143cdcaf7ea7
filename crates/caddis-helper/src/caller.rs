//! Who calls, from where, and for whom. Only the kernel is asked.

use crate::arguments::{Request, Target, Verb};
use crate::host::{local_name, range};
use crate::sanitise;
use caddis_policy::{INITIAL_USER_NAMESPACE, Policy, Who};
use caddis_sys::{Signals, block_all, set_mask};
use caddis_view::credentials::write_as;
use caddis_view::error::Context;
use caddis_view::{Error, Identity};
use rustix::process::{
    DumpableBehavior, Gid, Uid, getegid, geteuid, getgid, getgroups, getuid, set_dumpable_behavior,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
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

/// The caller, as the kernel knew them when this program started.
#[derive(Debug)]
struct Caller {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

static CALLER: OnceLock<Caller> = OnceLock::new();

/// The signals that the caller had blocked, if others are blocked now.
static MASK: OnceLock<Signals> = OnceLock::new();

/// The real, effective and saved ids of user and group, before they became root's.
static FORMER: OnceLock<([Uid; 3], [Gid; 3])> = OnceLock::new();

/// Notes the caller, before anything else changes the real ids and groups, which identify them.
pub(crate) fn remember() {
    caller();
}

fn caller() -> &'static Caller {
    CALLER.get_or_init(|| Caller {
        uid: getuid(),
        gid: getgid(),
        groups: getgroups().unwrap_or_default(),
    })
}

/// The real user id of whoever called, also after it has been given up.
pub(crate) fn real_uid() -> u32 {
    caller().uid.as_raw()
}

/// Takes this process out of the caller's reach, for it will hold locks that root waits for as well: its
/// real ids become root's, so the caller's signals are refused, and those of the terminal are blocked.
/// Returns what the caller had blocked.
pub(crate) fn out_of_reach() -> Result<Signals, Error> {
    remember();
    let mask = block_all().doing("block", || "signals")?;
    let _ = MASK.set(mask);
    let _ = FORMER.set((
        [getuid(), geteuid(), Uid::ROOT],
        [getgid(), getegid(), getegid()],
    ));
    let (user, group) = (Some(Uid::ROOT), Some(Gid::ROOT));
    set_thread_res_gid(group, group, group).doing("setresgid", || 0)?;
    set_thread_res_uid(user, user, user).doing("setresuid", || 0)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("prctl", || "PR_SET_DUMPABLE")?;
    Ok(mask)
}

/// Undoes [`out_of_reach`], for a process that holds nothing from here on that others wait for: its
/// caller may end it as any program of theirs.
pub(crate) fn in_reach() -> Result<(), Error> {
    if let Some(([real, effective, saved], [gid, egid, sgid])) = FORMER.get().copied() {
        set_thread_res_gid(Some(gid), Some(egid), Some(sgid))
            .doing("setresgid", || "the caller")?;
        set_thread_res_uid(Some(real), Some(effective), Some(saved))
            .doing("setresuid", || "the caller")?;
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("prctl", || "PR_SET_DUMPABLE")?;
    if let Some(mask) = MASK.get() {
        set_mask(*mask).doing("restore", || "the caller's signal mask")?;
    }
    Ok(())
}

/// The right to write to the caller's descriptors: this process has only the caller's rights and
/// cannot regain others.
#[derive(Debug)]
pub struct Teller(());

/// For a program that is not setuid: it has been its caller all along.
#[must_use]
pub fn is_the_caller() -> Option<Teller> {
    let Caller { uid, gid, .. } = *caller();
    ([getuid(), geteuid()] == [uid; 2] && [getgid(), getegid()] == [gid; 2]).then_some(Teller(()))
}

/// Becomes the caller, for good, once only the answer is left to write. The caller chooses where it
/// goes:
///
/// - a reader that does not read holds this process up, so the caller must be able to kill it, and
///   it must count for the caller;
/// - for some files the kernel checks the writer, not the process that opened them
///   (`/proc/PID/oom_score_adj`);
/// - root's writes get the blocks that a file system reserves for root, and no quota counts them;
/// - a socket tells its reader who writes.
///
/// A process that has already exchanged root's ids for those of the user that root named keeps
/// these.
pub(crate) fn only_tell() -> Result<Teller, Error> {
    let all = capabilities(None).doing("capget", || "this process")?;
    let effective = all.permitted;
    set_capabilities(None, CapabilitySets { effective, ..all }).doing("capset", || "to go back")?;
    let Caller { uid, gid, groups } = caller();
    let (uid, gid) = if geteuid().is_root() {
        if getgroups().doing("getgroups", || "of this process")? != *groups {
            set_thread_groups(groups).doing("setgroups", || "of the caller")?;
        }
        (Some(*uid), Some(*gid))
    } else {
        (Some(geteuid()), Some(getegid()))
    };
    set_thread_res_gid(gid, gid, gid).doing("setresgid", || "the caller")?;
    set_thread_res_uid(uid, uid, uid).doing("setresuid", || "the caller")?;
    if !getuid().is_root() {
        // They went with root's ids; where those were left before, some may be there still.
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, none).doing("capset", || "to nothing")?;
        set_no_new_privs(true).doing("set", || "no_new_privs")?;
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("prctl", || "PR_SET_DUMPABLE")?;
    sanitise::restore_limits();
    if let Some(mask) = MASK.get() {
        set_mask(*mask).doing("restore", || "the caller's signal mask")?;
    }
    Ok(Teller(()))
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
    name: Option<Vec<u8>>,
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
        // Without a range, nothing is written for a user but settings.
        if let Ok(range) = range(policy, user.uid, user.name.as_deref()) {
            write_as(&range);
        }
        Ok(user.uid)
    }

    /// The one user, with the ids inside.
    pub(crate) fn identity(&self, policy: &Policy) -> Result<Identity, Error> {
        let user = self.user()?;
        user.may_use(policy)?;
        let range = range(policy, user.uid, user.name.as_deref())?;
        write_as(&range);
        Ok(Identity {
            uid: user.uid,
            gid: user.gid,
            groups: user.groups.clone(),
            range,
        })
    }

    /// Whether root asks for all users.
    pub(crate) fn is_everybody(&self) -> bool {
        self.user.is_none()
    }

    /// The user whose environments must be checked against their account before this request.
    /// `None`: root manages whatever exists, or the request is about the host.
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
    fn new(uid: u32, gids: &[u32], name: Option<Vec<u8>>) -> User {
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

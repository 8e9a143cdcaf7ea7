//! The user namespace of an instance.

use crate::credentials::with_uid;
use crate::error::{Context, Result};
use crate::identity::Identity;
use caddis_policy::{gid_map, map_text, uid_map};
use caddis_sys::end_in_user_namespace;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, WaitId, WaitIdOptions, getrlimit, setrlimit, waitid};
use std::os::fd::{AsFd, OwnedFd};

/// Makes a user namespace with the id maps of `identity`.
///
/// Only a process outside of it may write the maps of several ranges (user_namespaces(7)), so a child
/// is born in it, which does nothing and ends. Until it is waited for, its `/proc/PID` leads to the namespace.
///
/// The namespace belongs to an id of the user's that nobody has. Were it the user's own, any process of
/// theirs on the host would have all capabilities in it; were it container root's, one that runs a setuid
/// program which container root has put into their home. Were it root's, the kernel would count what the
/// environment uses (inotify instances, namespaces, signals) as root's own, and a user could use up root's.
///
/// The kernel counts all processes in the namespace for its owner, whatever their ids there,
/// together with those of the user's other environments, which have the same owner. The limit is
/// the one that the creator of the namespace has at this moment (`enforced_nproc_rlimit` and
/// `is_rlimit_overlimit` in the kernel): `processes`, where that is not 0 and not more than the
/// caller's own.
pub fn create(identity: &Identity, processes: u32) -> Result<OwnedFd> {
    let create = || with_processes(processes, end_in_user_namespace);
    let (pid, pidfd) = with_uid(identity.nobodys_uid(), create)
        .doing("create", || "a user namespace")
        .map_err(|error| {
            error.hint(
                "see the limits in /proc/sys/user/max_user_namespaces, RLIMIT_NPROC, pids.max, and `limits.processes` \
                 of the policy",
            )
        })?;
    let namespace = map(pid, identity);
    let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    namespace
}

/// Runs `action` with a soft limit of at most so many processes; 0: the one that there is.
fn with_processes<T>(
    processes: u32,
    action: impl FnOnce() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    let before = getrlimit(Resource::Nproc);
    let wanted = u64::from(processes);
    if processes == 0 || before.current.is_some_and(|current| current <= wanted) {
        return action();
    }
    let during = Rlimit {
        current: Some(wanted),
        maximum: before.maximum,
    };
    setrlimit(Resource::Nproc, during)?;
    let result = action();
    setrlimit(Resource::Nproc, before)?;
    result
}

fn map(pid: Pid, identity: &Identity) -> Result<OwnedFd> {
    let pid = pid.as_raw_nonzero();
    let write = |file: &str, text: String| {
        let path = format!("/proc/{pid}/{file}");
        let fd = open(
            path.as_str(),
            OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .doing("open", || &path)?;
        rustix::io::write(&fd, text.as_bytes()).doing("write the id map to", || &path)?;
        Ok(())
    };
    write(
        "uid_map",
        map_text(&uid_map(identity.uid, identity.range.uid_start)),
    )?;
    let groups = gid_map(&identity.groups, identity.range.gid_start)
        .map_err(|reason| crate::error::Error::refused("map", "the groups of the user", reason))?;
    write("gid_map", map_text(&groups))?;
    let path = format!("/proc/{pid}/ns/user");
    open(
        path.as_str(),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .doing("open", || path)
}

//! The user namespace of an instance.

use crate::credentials::with_uid;
use crate::error::{Context, Result};
use crate::identity::Identity;
use caddis_policy::{gid_map, map_text, uid_map};
use caddis_sys::end_in_user_namespace;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
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
pub fn create(identity: &Identity) -> Result<OwnedFd> {
    let (pid, pidfd) = with_uid(identity.nobodys_uid(), end_in_user_namespace)
        .doing("create", || "a user namespace")
        .map_err(|error| {
            error.hint(
                "see the limits in /proc/sys/user/max_user_namespaces, RLIMIT_NPROC and pids.max",
            )
        })?;
    let namespace = map(pid, identity);
    let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    namespace
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

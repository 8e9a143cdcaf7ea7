//! The user namespace of an instance.

use crate::error::{Context, Result};
use crate::identity::Identity;
use caddis_policy::{gid_map, map_text, uid_map};
use caddis_sys::{Forked, Namespaces, fork};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::os::fd::{AsFd, OwnedFd};

/// Makes a user namespace with the id maps of `identity`.
///
/// Only a process outside of it may write the maps of several ranges (user_namespaces(7)), so a child
/// is born in it, which does nothing and is ended again. The namespace belongs to root, the creator:
/// were it the user's, any process of theirs on the host would have all capabilities in it.
pub fn create(identity: &Identity) -> Result<OwnedFd> {
    match fork(Namespaces::User)
        .doing("create", || "a user namespace")
        .map_err(|error| {
            error.hint(
                "see the limits in /proc/sys/user/max_user_namespaces, RLIMIT_NPROC and pids.max",
            )
        })? {
        Forked::Child => loop {
            let _ = rustix::thread::nanosleep(&rustix::fs::Timespec {
                tv_sec: 3600,
                tv_nsec: 0,
            });
        },
        Forked::Parent(pid, pidfd) => {
            let namespace = map(pid, identity);
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            namespace
        }
    }
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

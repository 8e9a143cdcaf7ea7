//! A cgroup for all instances' process 1, apart from those of sessions.
//!
//! The first session starts process 1, in its own cgroup. When that session is over, logind (`KillUserProcesses=yes`) or
//! a batch system ends all that is in its cgroup, and with process 1 would end every other session of the user's there.
//! While it is left alone, logind counts that session as one that does not end.

use rustix::fs::{CWD, FsWord, Mode, OFlags, fstatfs, mkdirat, openat};
use rustix::io::{Errno, write};
use std::os::fd::{AsFd, OwnedFd};

/// `CGROUP2_SUPER_MAGIC` in the kernel's `include/uapi/linux/magic.h`.
const CGROUP2: FsWord = 0x6367_7270;

/// Where hosts with version 2 alone have their tree. Under one of version 1 process 1 stays where it is.
const TREE: &str = "/sys/fs/cgroup";

/// At the top, where systemd leaves what it has not made itself alone, as it does with LXC's and Docker's.
const NAME: &str = "caddis";

/// Opens the way there, as root in the host's mount and cgroup namespaces: the kernel asks whoever has opened it
/// whether a process may be moved (`cgroup_procs_write_permission` in `kernel/cgroup/cgroup.c`).
pub(crate) fn open() -> Result<OwnedFd, Errno> {
    let tree = directory(CWD, TREE)?;
    if fstatfs(&tree)?.f_type != CGROUP2 {
        return Err(Errno::NODEV);
    }
    match mkdirat(&tree, NAME, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let own = directory(&tree, NAME)?;
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(own, "cgroup.procs", flags, Mode::empty())
}

fn directory(at: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

/// Moves this process. What it has allocated, the view's kernel memory, goes on counting where it was started.
///
/// The kernel waits for an RCU grace period unless somebody was moved just before (`cgroup_threadgroup_rwsem`).
pub(crate) fn go(way: &OwnedFd) -> Result<(), Errno> {
    write(way, b"0").map(drop)
}

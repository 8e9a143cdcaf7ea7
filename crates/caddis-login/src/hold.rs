//! The way out that stays open: a process that does nothing but keep the descriptor of the attendant's socket, so that
//! whoever is in the session can connect to it by `/proc/PID/fd/N`.
//!
//! The shell could keep it as well, and would cost no process; but then each program of the session had it too, and
//! one that closes what it does not know (or a shell that is replaced by another one) would close the way for all. A
//! process of its own shows in `ps` as what it is. It is not the agent's relay: that one may end before its time.
//!
//! Who may follow `/proc/PID/fd`, the kernel decides as for ptrace(2): the user's processes, and container root. Daemons
//! under other ids may not.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::beside;

/// Starts it, until the session's first process, which is this one, has ended; returns the path.
pub fn start(socket: &OwnedFd) -> io::Result<PathBuf> {
    let session = pidfd_open(getpid(), PidfdFlags::empty())?;
    if let Some(pid) = beside::fork()? {
        return Ok(format!("/proc/{pid}/fd/{}", socket.as_raw_fd()).into());
    }
    let _ = hold(socket, &session);
    std::process::exit(0);
}

fn hold(socket: &OwnedFd, session: &OwnedFd) -> Result<(), Errno> {
    beside::settle(c"caddis-hold", &[socket, session].map(AsFd::as_fd))?;
    loop {
        match poll(&mut [PollFd::new(session, PollFlags::IN)], None) {
            Err(Errno::INTR) => {}
            other => return other.and(Ok(())),
        }
    }
}

//! What an instance is in use for: sessions, which are counted by a FIFO that each holds open, and processes that have
//! outlasted them.

use crate::ending::wait_for_end;
use crate::error::{Context, Result};
use crate::instance::{Instance, Runtime, SESSIONS};
use crate::lock::PAUSE;
use crate::visits::{Verdict, Visits};
use rustix::fs::{FileType, Mode, OFlags, mknodat, openat};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// What an instance is in use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Sessions.
    Sessions,
    /// Processes that are left, and may go on by the policy.
    Processes,
    /// The last session has just ended, and process 1 has not decided yet what becomes of those that are left.
    Undecided,
}

impl Runtime {
    /// A new FIFO: its read end for process 1, its write end for the first session.
    pub(crate) fn new_sessions(&self) -> Result<(OwnedFd, OwnedFd)> {
        self.clear(SESSIONS);
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(&self.directory, SESSIONS, FileType::Fifo, mode, 0)
            .doing("create", || "the FIFO of sessions")?;
        let reader = self
            .open_sessions(OFlags::RDONLY)
            .doing("open", || "the FIFO of sessions")?;
        let writer = self
            .open_sessions(OFlags::WRONLY)
            .doing("open", || "the FIFO of sessions")?;
        Ok((reader, writer))
    }

    fn open_sessions(&self, access: OFlags) -> std::result::Result<OwnedFd, Errno> {
        let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        openat(&self.directory, SESSIONS, flags, Mode::empty())
    }

    /// Counts the caller as a session, a `login` or another one, for as long as it holds what it gets. `None`: process 1
    /// is gone.
    pub fn join_sessions(&self, login: bool) -> Result<Option<OwnedFd>> {
        match self.open_sessions(OFlags::WRONLY) {
            Ok(writer) => {
                let record = self.open_record()?;
                Visits::read(&record)?.and(login).write(&record)?;
                // Wakes process 1, which may be counting down a time. If the FIFO is full, it has not slept since.
                let _ = rustix::io::write(&writer, b"j");
                Ok(Some(writer))
            }
            Err(Errno::NXIO | Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno).doing("open", || "the FIFO of sessions"),
        }
    }

    /// Whether a session holds the FIFO open. A killed one does not: the kernel has closed it.
    pub fn has_sessions(&self) -> Result<bool> {
        match self.open_sessions(OFlags::RDONLY) {
            Ok(reader) => sessions_left(&reader),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno).doing("open", || "the FIFO of sessions"),
        }
    }

    /// What the instance that runs is in use for: `None` if it has neither sessions nor processes that may go on.
    pub fn in_use(&self) -> Result<Option<Use>> {
        if self.has_sessions()? {
            return Ok(Some(Use::Sessions));
        }
        let record = self.open_record()?;
        let visits = Visits::read(&record)?;
        Ok(match Verdict::read(&record)? {
            Some((number, _)) if number != visits.number => Some(Use::Undecided),
            Some((_, Verdict::GoesOn)) => Some(Use::Processes),
            Some((_, Verdict::Empty)) | None => None,
        })
    }

    /// Gives process 1 the time to decide; the lock is given back meanwhile, so that there may be another instance then.
    pub fn wait_for_verdict(&self, instance: &Instance, end: Instant) -> Result<()> {
        self.without_lock(end, || wait_for_end(&instance.pidfd, Some(PAUSE)).map(drop))
    }
}

/// Whether anybody still has the FIFO open for writing; what was written is taken out.
pub(crate) fn sessions_left(reader: impl AsFd) -> Result<bool> {
    let mut buffer = [0_u8; 256];
    loop {
        match rustix::io::read(reader.as_fd(), &mut buffer) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(true),
            Err(errno) => return Err(errno).doing("read", || "the FIFO of sessions"),
        }
    }
}

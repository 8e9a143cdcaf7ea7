//! Whose word a try waits for: a process outside, noted beside the record of process 1. Like that, the note is
//! believed only if the kernel knows the process.

use crate::error::{Context, Result, write_all};
use crate::instance::Runtime;
use crate::process::Stat;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::getppid;

/// The file of the note.
pub(crate) const OWNER: &str = "try";

/// A process outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks since the boot.
    started: u64,
}

impl Owner {
    /// The calling process's parent; `None`: it is gone, so there is nobody to wait for.
    pub fn parent() -> Result<Option<Owner>> {
        let Some(parent) = getppid() else {
            return Ok(None);
        };
        let pid = parent.as_raw_nonzero().get();
        // Whose parent has ended is given to process 1.
        if pid == 1 {
            return Ok(None);
        }
        let stat = Stat::of(pid)?;
        Ok(stat.map(|Stat { pid, started, .. }| Owner { pid, started }))
    }

    fn parse(text: &[u8]) -> Option<Owner> {
        let mut fields = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
        Some(Owner {
            pid: fields.next()?.parse().ok()?,
            started: fields.next()?.parse().ok()?,
        })
    }
}

impl Runtime {
    /// Notes whose word the try of this environment waits for.
    pub fn note_owner(&self, owner: Option<Owner>) -> Result<()> {
        self.clear(OWNER);
        let Some(Owner { pid, started }) = owner else {
            return Ok(());
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let note = openat(&self.directory, OWNER, flags, Mode::RUSR | Mode::WUSR)
            .doing("create", || "the note of who tries")?;
        write_all(&note, format!("{pid} {started}\n").as_bytes())
            .doing("write", || "the note of who tries")
    }

    /// No word is waited for any more.
    pub fn forget_owner(&self) {
        self.clear(OWNER);
    }

    /// Whose word is waited for; `None`: nobody's who still lives.
    pub fn owner(&self) -> Result<Option<Owner>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let note = match openat(&self.directory, OWNER, flags, Mode::empty()) {
            Ok(note) => note,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(errno).doing("open", || "the note of who tries"),
        };
        let mut buffer = [0_u8; 64];
        let length = match rustix::io::read(&note, &mut buffer) {
            Err(Errno::ISDIR) => 0,
            other => other.doing("read", || "the note of who tries")?,
        };
        let Some(owner) = Owner::parse(&buffer[..length]) else {
            return Ok(None);
        };
        let stat = Stat::of(owner.pid)?;
        let lives = stat.is_some_and(|stat| stat.started == owner.started && !stat.doomed);
        Ok(lives.then_some(owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_note_names_nobody() {
        for broken in [&b""[..], b"x 1", b"12", b"12 -1", b"\xff 1"] {
            assert_eq!(Owner::parse(broken), None);
        }
        let owner = Owner::parse(b"12 34\n").expect("a note");
        assert_eq!((owner.pid, owner.started), (12, 34));
    }
}

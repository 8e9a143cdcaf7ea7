//! How process 1 is known: by a record on disk, which is believed only of a process that the kernel knows as that.

use crate::error::{Context, Error, Result};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::process::Pid;
use std::os::fd::OwnedFd;

/// The first byte of a record: process 1 runs.
pub(crate) const RUNS: u8 = b'R';
/// The first byte of a record: process 1 has decided to end.
pub(crate) const ENDS: u8 = b'E';

/// What process 1 notes of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// [`RUNS`] or [`ENDS`].
    pub(crate) state: u8,
    pub(crate) pid: Pid,
    /// When it started, in clock ticks since the boot.
    pub(crate) started: u64,
}

impl Record {
    /// Reads the text of a record. `file` is the inode number of its file: a copy of another instance's is none.
    pub(crate) fn parse(text: &[u8], file: u64) -> Option<Record> {
        let mut fields = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
        let &[state] = fields.next()?.as_bytes() else {
            return None;
        };
        let pid = Pid::from_raw(fields.next()?.parse().ok()?)?;
        let started = fields.next()?.parse().ok()?;
        let own = fields.next()?.parse() == Ok(file);
        own.then_some(Record {
            state,
            pid,
            started,
        })
    }

    /// The text of the calling process's, as seen through the host's `/proc`, for the file `record`.
    pub(crate) fn of_caller(record: &OwnedFd) -> Result<Vec<u8>> {
        let Stat { pid, started, .. } = Stat::read("/proc/self/stat")?.ok_or_else(|| {
            Error::refused("understand", "/proc/self/stat", "it has another form")
        })?;
        let own = fstat(record).doing("stat", || "the record")?.st_ino;
        let state = char::from(RUNS);
        Ok(format!("{state} {pid} {started} {own}\n").into_bytes())
    }

    /// What the kernel says of the process 1 that is meant. `None`: it is gone, or this is another process, which is
    /// not to be signalled whatever a record says.
    pub(crate) fn process_1(&self) -> Result<Option<Stat>> {
        let stat = Stat::of(self.pid)?;
        Ok(stat.filter(|stat| stat.ours && stat.started == self.started))
    }
}

/// A process as the kernel tells of it in `/proc/PID/stat`; see proc_pid_stat(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pid: i32,
    /// When it started, in clock ticks since the boot: with its id, this names it for good.
    started: u64,
    /// It has the name of a process 1.
    ours: bool,
    /// It has been killed, or ends, though it may still be seen: who joins it now dies with it.
    pub(crate) doomed: bool,
}

/// How `/proc/PID/stat` shows the name of process 1.
const NAME: &[u8] = b" (caddis-init) ";

/// `PF_EXITING` and `PF_SIGNALED` in the kernel's `include/linux/sched.h`.
const ENDING: u64 = 0x4 | 0x400;

/// `SIGKILL` in a set of signals that wait.
const KILLED: u64 = 1 << 8;

impl Stat {
    /// `None`: there is no such process. Not to be able to look says nothing of the kind: a caller who leaves no
    /// descriptor for it would have a second instance started beside the first.
    pub(crate) fn of(pid: Pid) -> Result<Option<Stat>> {
        Stat::read(&format!("/proc/{}/stat", pid.as_raw_nonzero()))
    }

    fn read(path: &str) -> Result<Option<Stat>> {
        let read = || {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = openat(CWD, path, flags, Mode::empty())?;
            let mut buffer = [0_u8; 1024];
            let length = rustix::io::read(&file, &mut buffer)?;
            Ok(Stat::parse(&buffer[..length]))
        };
        match read() {
            Err(Errno::NOENT | Errno::SRCH) => Ok(None),
            other => other.doing("read", || path),
        }
    }

    /// The name in parentheses may hold anything.
    fn parse(stat: &[u8]) -> Option<Stat> {
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let pid = text(&stat[..stat.iter().position(|byte| *byte == b' ')?])?;
        let fields: Vec<&str> = text(&stat[end + 1..])?.split_ascii_whitespace().collect();
        // The first of these is the third in the manual.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let dead = ["Z", "X"].contains(fields.first()?);
        Some(Stat {
            pid: pid.parse().ok()?,
            started: number(22)?,
            ours: stat.windows(NAME.len()).any(|part| part == NAME),
            doomed: dead || number(9)? & ENDING != 0 || number(31)? & KILLED != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_time_whatever_its_name() {
        let stat = |state: &str, flags: u32, waiting: u32| {
            let name = "42 (a) R 1 (caddis-init)";
            let line = format!(
                "{name} {state} 1 2 3 4 5 {flags} 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21 22 23 24 25 26 27 {waiting} 29"
            );
            Stat::parse(line.as_bytes())
        };
        let (lives, pid, started) = (stat("S", 64, 2), 42, 777);
        let (ours, doomed) = (true, false);
        let expected = Stat {
            pid,
            started,
            ours,
            doomed,
        };
        assert_eq!(lives, Some(expected));
        for doomed in [stat("Z", 64, 0), stat("R", 68, 0), stat("S", 64, 256)] {
            assert!(doomed.expect("a line").doomed);
        }
        assert_eq!(Stat::parse(b"42"), None);
        assert_eq!(Stat::parse(b"42 (caddis-init) S 1"), None);
    }

    #[test]
    fn a_broken_record_is_no_record() {
        for broken in [
            &b""[..],
            b"R 0 12 9",
            b"R x 12 9",
            b"R 12 34 8\n",
            b"RR 12 34 9\n",
        ] {
            assert_eq!(Record::parse(broken, 9), None);
        }
        let record = Record::parse(b"R 12 34 9\n", 9).expect("a record");
        assert_eq!((record.state, record.started), (RUNS, 34));
        assert_eq!(record.pid.as_raw_nonzero().get(), 12);
    }
}

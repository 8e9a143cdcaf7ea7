//! How process 1 is known: by a record on disk, which is believed only of a process that the kernel knows as that.

use crate::error::{Context, Result};
use crate::process::Stat;
use crate::visits::RECORD;
use rustix::fs::fstat;
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

    /// The text of the process `process_1`, as seen through the host's `/proc`, for the file `record`.
    pub(crate) fn text(process_1: &Stat, record: &OwnedFd) -> Result<Vec<u8>> {
        let own = fstat(record).doing("stat", || "the record")?.st_ino;
        let (state, Stat { pid, started, .. }) = (char::from(RUNS), process_1);
        let line = format!("{state} {pid} {started} {own}");
        // What follows has a place of its own.
        Ok(format!("{line:<width$}\n", width = RECORD - 1).into_bytes())
    }

    /// What the kernel says of the process 1 that is meant. `None`: it is gone, or this is another process, which is
    /// not to be signalled whatever a record says.
    pub(crate) fn process_1(&self) -> Result<Option<Stat>> {
        let stat = Stat::of(self.pid.as_raw_nonzero().get())?;
        Ok(stat.filter(|stat| stat.ours && stat.started == self.started))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

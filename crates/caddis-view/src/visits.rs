//! Who has joined an instance, and what process 1 makes of it when they have left: two lines after its record.
//!
//! The first is written by those who join, under the lock; it cannot be missed, as a byte in the FIFO can by process 1
//! if somebody else reads it. The second is process 1's, for those who ask whether the instance is in use: only it knows
//! by which policy it goes.

use crate::error::{Context, Result};
use rustix::fs::OFlags;
use rustix::io::{pread, pwrite};
use std::os::fd::{AsFd, OwnedFd};

/// As long as this is the record, filled up with blanks.
pub(crate) const RECORD: usize = 64;
const VISITS: u64 = RECORD as u64;
const VERDICT: u64 = VISITS + LINE as u64;

/// A number of ten digits, a blank, a letter.
const LINE: usize = 13;

/// Those who have joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Visits {
    /// How many there were; the number of the last one.
    pub(crate) number: u32,
    /// A login was among them since the instance was last empty.
    pub(crate) login: bool,
}

/// What process 1 has found when the last visitor had left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No process is left.
    Empty,
    /// Processes are left, and may go on.
    GoesOn,
}

impl Visits {
    /// Nobody, if nothing is noted.
    pub(crate) fn read(record: &OwnedFd) -> Result<Visits> {
        let visits = line(record, VISITS)?.map(|(number, letter)| Visits {
            number,
            login: letter == b'L',
        });
        Ok(visits.unwrap_or_default())
    }

    pub(crate) fn write(self, record: &OwnedFd) -> Result<()> {
        let letter = if self.login { 'L' } else { '-' };
        write(record, VISITS, self.number, letter)
    }

    /// One more.
    #[must_use]
    pub(crate) fn and(self, login: bool) -> Visits {
        Visits {
            number: self.number.wrapping_add(1),
            login: self.login || login,
        }
    }
}

impl Verdict {
    /// What was found when the visitor of this number was the last one. `None`: process 1 is of a version that says
    /// nothing.
    pub(crate) fn read(record: &OwnedFd) -> Result<Option<(u32, Verdict)>> {
        let verdict = line(record, VERDICT)?.map(|(number, letter)| match letter {
            b'E' => (number, Verdict::Empty),
            _ => (number, Verdict::GoesOn),
        });
        Ok(verdict)
    }

    pub(crate) fn write(self, record: &OwnedFd, number: u32) -> Result<()> {
        let letter = match self {
            Verdict::Empty => 'E',
            Verdict::GoesOn => 'G',
        };
        write(record, VERDICT, number, letter)
    }
}

/// How to open the record in order to note somebody.
pub(crate) const OPEN: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

fn write(record: &OwnedFd, at: u64, number: u32, letter: char) -> Result<()> {
    let text = format!("{number:010} {letter}\n");
    pwrite(record, text.as_bytes(), at).doing("write", || "the record of process 1")?;
    Ok(())
}

fn line(record: impl AsFd, at: u64) -> Result<Option<(u32, u8)>> {
    let mut text = [0; LINE];
    let length = pread(record, &mut text, at).doing("read", || "the record of process 1")?;
    Ok((length == LINE).then(|| parse(&text)).flatten())
}

fn parse(text: &[u8; LINE]) -> Option<(u32, u8)> {
    let [number @ .., b' ', letter, b'\n'] = text else {
        return None;
    };
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, *letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use proptest::prelude::*;
    use rustix::fs::{MemfdFlags, memfd_create};

    proptest! {
        #[test]
        fn what_is_noted_is_read_and_nothing_else(number: u32, login: bool, decided: u32, first: bool) {
            let file = memfd_create("record", MemfdFlags::CLOEXEC).unwrap();
            prop_assert_eq!(Visits::read(&file).unwrap(), Visits::default());
            prop_assert_eq!(Verdict::read(&file).unwrap(), None);
            let record = format!("{:<63}\n", "R 4294967295 18446744073709551615 18446744073709551615");
            rustix::io::write(&file, record.as_bytes()).unwrap();
            let visits = Visits { number, login };
            if first {
                visits.write(&file).unwrap();
            }
            for verdict in [Verdict::GoesOn, Verdict::Empty] {
                verdict.write(&file, decided).unwrap();
                prop_assert_eq!(Verdict::read(&file).unwrap(), Some((decided, verdict)));
            }
            visits.write(&file).unwrap();
            prop_assert_eq!(Visits::read(&file).unwrap(), visits);
            prop_assert_eq!(Verdict::read(&file).unwrap(), Some((decided, Verdict::Empty)));
            let mut text = [0; RECORD];
            pread(&file, &mut text, 0).unwrap();
            prop_assert_eq!(&text[..], record.as_bytes());
        }
    }

    #[test]
    fn a_login_is_not_forgotten_for_who_comes_after_it() {
        let visits = Visits::default().and(false).and(true).and(false);
        assert_eq!((visits.number, visits.login), (3, true));
        assert!(!Visits::default().and(false).login);
    }

    #[test]
    fn the_longest_record_has_room() {
        let longest = b"R 4194304 18446744073709551615 18446744073709551615\n";
        assert!(longest.len() <= RECORD);
        assert!(Record::parse(longest, u64::MAX).is_some());
    }
}

//! A process as the kernel tells of it in `/proc/PID/stat`; see proc_pid_stat(5).

use crate::error::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// What is needed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Its id.
    pub pid: i32,
    /// `R`, `S`, `D`, `T`, `Z` and others.
    pub state: char,
    /// The id of its parent; 0: that is in another pid namespace.
    pub parent: i32,
    /// The device number of its controlling terminal; 0: none.
    pub terminal: u32,
    /// When it started, in clock ticks since the boot: with its id, this names it for good.
    pub started: u64,
    /// It has the name of a process 1.
    pub ours: bool,
    /// It has been killed, or ends, though it may still be seen: who joins it now dies with it.
    pub doomed: bool,
}

/// How process 1 is named there.
const NAME: &[u8] = b" (caddis-init) ";

/// `PF_EXITING` and `PF_SIGNALED` in the kernel's `include/linux/sched.h`.
const ENDING: u64 = 0x4 | 0x400;

/// `SIGKILL` in a set of signals that wait.
const KILLED: u64 = 1 << 8;

impl Stat {
    /// `None`: there is no such process. Not to be able to look says nothing of the kind: a caller who leaves no
    /// descriptor for it would have a second instance started beside the first.
    pub fn of(pid: i32) -> Result<Option<Stat>> {
        Stat::read(&format!("/proc/{pid}/stat"))
    }

    /// The calling process, with its id in the pid namespace of `/proc`.
    pub fn of_caller() -> Result<Option<Stat>> {
        Stat::read("/proc/self/stat")
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
    pub(crate) fn parse(stat: &[u8]) -> Option<Stat> {
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let pid = text(&stat[..stat.iter().position(|byte| *byte == b' ')?])?;
        let fields: Vec<&str> = text(&stat[end + 1..])?.split_ascii_whitespace().collect();
        // The first of these is the third in the manual.
        let field = |number: usize| fields.get(number - 3);
        let number = |number: usize| field(number)?.parse::<u64>().ok();
        let state = field(3)?.chars().next()?;
        let dead = ['Z', 'X'].contains(&state);
        Some(Stat {
            pid: pid.parse().ok()?,
            state,
            parent: field(4)?.parse().ok()?,
            terminal: field(7)?.parse().unwrap_or(0),
            started: number(22)?,
            ours: stat.windows(NAME.len()).any(|part| part == NAME),
            doomed: dead || number(9)? & ENDING != 0 || number(31)? & KILLED != 0,
        })
    }
}

/// The words of a line of `/proc/PID/status` that begins with `name`. Among the others is the name of
/// the process, which may be any bytes; the kernel escapes a newline in it.
pub fn field<'a>(status: &'a [u8], name: &str) -> Option<std::str::SplitAsciiWhitespace<'a>> {
    let mut lines = status.split(|byte| *byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
    Some(std::str::from_utf8(line).ok()?.split_ascii_whitespace())
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
        let expected = Stat {
            pid: 42,
            state: 'S',
            parent: 1,
            terminal: 4,
            started: 777,
            ours: true,
            doomed: false,
        };
        assert_eq!(stat("S", 64, 2), Some(expected));
        for doomed in [stat("Z", 64, 0), stat("R", 68, 0), stat("S", 64, 256)] {
            assert!(doomed.expect("a line").doomed);
        }
        assert_eq!(Stat::parse(b"42"), None);
        assert_eq!(Stat::parse(b"42 (caddis-init) S 1"), None);
    }

    #[test]
    fn a_field_is_found_whatever_the_name_of_the_process() {
        let status = b"Name:\t\xff Uid:\t7\nUid:\t1000\t1001\nOdd:\t\xff\n";
        let words = field(status, "Uid:").expect("a line");
        assert_eq!(words.collect::<Vec<_>>(), ["1000", "1001"]);
        assert!(field(status, "Gid:").is_none() && field(status, "Odd:").is_none());
        assert!(field(b"", "Uid:").is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_name_leaves_the_rest_as_it_is(name in proptest::collection::vec(0_u8.., 0..16)) {
            let line = [b"42 (", name.as_slice(), b") S 7"].concat();
            let line = [line, b" 1".repeat(48)].concat();
            let stat = Stat::parse(&line).expect("a line");
            proptest::prop_assert_eq!((stat.pid, stat.state, stat.parent), (42, 'S', 7));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(text: Vec<u8>) {
            let _ = (Stat::parse(&text), field(&text, "Uid:"));
        }
    }

    #[test]
    fn the_calling_process_knows_itself() {
        let own = Stat::of_caller().expect("a file").expect("a line");
        assert_eq!(own.pid, std::process::id().cast_signed());
        assert!(!own.ours && !own.doomed);
    }
}

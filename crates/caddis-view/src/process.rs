//! A process as the kernel tells of it in `/proc/PID/stat` and `/proc/PID/status`; see
//! proc_pid_stat(5) and proc_pid_status(5).

use crate::error::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::Read as _;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

/// The first `most` bytes of a file of `/proc`. A process decides how long those about it are, up to
/// all of its memory.
pub fn start_of(path: &str, most: u64) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    std::fs::File::open(path)?
        .take(most)
        .read_to_end(&mut start)?;
    Ok(start)
}

/// A status with as many groups as the kernel allows (65,536) fits in, with a lot of room.
const MOST_STATUS: u64 = 1 << 20;

/// What a short file of `/proc` needs.
const SHORT: u64 = 4096;

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
    /// How many threads it has.
    pub threads: u32,
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
            threads: field(20)?.parse().unwrap_or(1),
            started: number(22)?,
            ours: stat.windows(NAME.len()).any(|part| part == NAME),
            doomed: dead || number(9)? & ENDING != 0 || number(31)? & KILLED != 0,
        })
    }
}

/// What is needed of `/proc/PID/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// As [`Stat::state`].
    pub state: char,
    /// As [`Stat::parent`].
    pub parent: i32,
    /// The real, effective, saved and file-system user id, as the reader's user namespace has them.
    pub uids: [u32; 4],
    /// Its ids in the pid namespaces below the reader's, outermost first.
    pub inner: Vec<i32>,
    /// How many threads it has. The first one may have ended before the others: then the state is
    /// `Z`.
    pub threads: u32,
}

impl Status {
    /// `None`: there is no such process.
    ///
    /// The file `status` is the last resort: the kernel writes down all groups before the first
    /// byte is read, and container root can give 65,536 to each process, which takes 30 milliseconds.
    #[must_use]
    pub fn of(pid: i32) -> Option<Status> {
        Status::without_groups(pid)
            .or_else(|| Status::parse(&start_of(&format!("/proc/{pid}/status"), MOST_STATUS).ok()?))
    }

    /// The same from what the kernel says without the groups. `None` as well: it does not, see
    /// [`caddis_sys::pidfd_uids`].
    fn without_groups(pid: i32) -> Option<Status> {
        let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let uids = caddis_sys::pidfd_uids(&process).ok()?;
        let stat = Stat::of(pid).ok()??;
        let info = start_of(&format!("/proc/self/fdinfo/{}", process.as_raw_fd()), SHORT).ok()?;
        Some(Status {
            state: stat.state,
            parent: stat.parent,
            uids,
            // Last: so it is still there, and no other process has had the number.
            inner: inner(&info, pid)?,
            threads: stat.threads,
        })
    }

    /// The name on the first line may hold any bytes but a line feed, which the kernel escapes.
    #[must_use]
    pub fn parse(status: &[u8]) -> Option<Status> {
        let field = |name: &str| field(status, name);
        let numbers = |name: &str| field(name).map(str::split_ascii_whitespace);
        let mut uids = numbers("Uid:")?.map(str::parse);
        let mut uid = || uids.next()?.ok();
        Some(Status {
            state: field("State:")?.trim_start().chars().next()?,
            parent: numbers("PPid:")?.next()?.parse().ok()?,
            uids: [uid()?, uid()?, uid()?, uid()?],
            inner: below(status)?,
            threads: numbers("Threads:")?.next()?.parse().ok()?,
        })
    }

    /// It has ended, with all of its threads; only its parent has not waited for it yet.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state == 'X' || self.state == 'Z' && self.threads <= 1
    }
}

/// The value of a line that begins so.
fn field<'a>(text: &'a [u8], name: &str) -> Option<&'a str> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
    std::str::from_utf8(value).ok()
}

/// The ids in the pid namespaces below the reader's.
fn below(text: &[u8]) -> Option<Vec<i32>> {
    let ids = field(text, "NSpid:")?.split_ascii_whitespace().skip(1);
    Some(ids.filter_map(|id| id.parse().ok()).collect())
}

/// The same of the process `pid`, from the `fdinfo` of a pidfd for it; `None`: it is gone.
fn inner(info: &[u8], pid: i32) -> Option<Vec<i32>> {
    let there = field(info, "Pid:")?.trim().parse() == Ok(pid);
    there.then(|| below(info))?
}

/// The inode number of the pid namespace that a process is in.
#[must_use]
pub fn pid_namespace(pid: i32) -> Option<u64> {
    let namespace = std::fs::metadata(format!("/proc/{pid}/ns/pid")).ok()?;
    Some(namespace.ino())
}

/// How a process that does not end is described.
pub const FROZEN: &str = "frozen";

/// What keeps a process from ending, in a word.
#[must_use]
pub fn state_of(pid: Pid) -> &'static str {
    let pid = pid.as_raw_nonzero().get();
    let state = Stat::of(pid).ok().flatten().map(|stat| stat.state);
    // To the rest of the kernel's answers a frozen process is an uninterruptible one.
    let waits_in = start_of(&format!("/proc/{pid}/wchan"), SHORT).unwrap_or_default();
    match (state, waits_in.as_slice()) {
        (_, b"__refrigerator" | b"do_freezer_trap") => FROZEN,
        (Some('D'), _) => "uninterruptible",
        (Some('T'), _) => "stopped",
        (Some('t'), _) => "traced",
        (Some('Z'), _) => "dead, its parent does not wait for it",
        (Some(_), _) => "ending",
        (None, _) => "gone by now",
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
        let expected = Stat {
            pid: 42,
            state: 'S',
            parent: 1,
            terminal: 4,
            threads: 17,
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
    fn a_status_is_read_whatever_its_name_is() {
        let text = b"Name:\t\xff\\nUid:\t0\t0\t0\t0\nUmask:\t0022\nState:\tZ (zombie)\nTgid:\t7\n\
            PPid:\t3\nUid:\t1\t2\t3\t4\nGid:\t5\t5\t5\t5\nNSpid:\t7\t2\t1\nThreads:\t2\n";
        let status = Status::parse(text).expect("a status");
        assert_eq!((status.uids, status.parent), ([1, 2, 3, 4], 3));
        assert_eq!((status.inner.as_slice(), status.state), (&[2, 1][..], 'Z'));
        // Another thread lives.
        assert!(!status.is_dead());
        assert_eq!(Status::parse(b"Name:\tx\n"), None);
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
            let _ = (Status::parse(&text), Stat::parse(&text));
        }
    }

    #[test]
    fn a_descriptor_tells_the_ids_below() {
        let info = b"pos:\t0\nflags:\t02\nPid:\t7\nNSpid:\t7\t2\t1\n";
        assert_eq!(inner(info, 7), Some(vec![2, 1]));
        // It is gone, or the number means another process there.
        assert_eq!(inner(info, 8), None);
        assert_eq!(inner(b"Pid:\t-1\nNSpid:\t-1\n", 7), None);
    }

    #[test]
    fn both_ways_to_read_a_status_agree() {
        let own = std::process::id().cast_signed();
        let text = start_of(&format!("/proc/{own}/status"), MOST_STATUS).expect("a file");
        let whole = Status::parse(&text).expect("a status");
        let status = Status::of(own).expect("a status");
        assert_eq!((status.uids, status.parent), (whole.uids, whole.parent));
        assert_eq!(status.inner, whole.inner);
    }

    #[test]
    fn no_more_is_read_than_is_wanted() {
        assert_eq!(start_of("/dev/zero", 3).expect("a file"), [0; 3]);
    }

    #[test]
    fn the_calling_process_knows_itself() {
        let own = Stat::of_caller().expect("a file").expect("a line");
        assert_eq!(own.pid, std::process::id().cast_signed());
        assert!(!own.ours && !own.doomed);
    }
}

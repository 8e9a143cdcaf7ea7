//! Strays: processes on the host, outside of every environment, that have an id of a user's range.
//!
//! Container root can put a setuid program of one of its ids into the user's home. When the user
//! runs it on the host, it becomes a process of that id there: the limit of processes counts each
//! id for itself, and `pkill -u` finds the user's own id only. Nothing can run with such an id that
//! is not the user's, so root lists and ends these processes together with the user's environments.
//! Rootless containers of the user's that use the same range (`/etc/subuid`) are strays, too.

use crate::host::{RUN, ranges};
use crate::processes::Process;
use caddis_policy::{IdRange, Policy, RANGE, spare_uid};
use caddis_view::process::{Stat, Status, pid_namespace, state_of};
use caddis_view::refresh::instances_of;
use caddis_view::{Error, Runtime};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, RawDir, SeekFrom, openat, seek};
use rustix::process::{
    Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, setpriority_process,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long strays are looked for and stopped before they are killed, and how long they are killed.
const STOPPING: Duration = Duration::from_secs(5);
const KILLING: Duration = Duration::from_secs(9);

/// How long a killed process usually takes to be gone.
const MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Where processes begin in `/proc`: `FIRST_PROCESS_ENTRY` in the kernel's `fs/proc/internal.h`.
const FIRST_PROCESS: u64 = 256;

/// So many processes are named in a message.
const NAMED: usize = 5;

/// Whose strays are looked for.
#[derive(Debug)]
pub struct Owners {
    /// Each range by its first uid, with its user.
    ranges: BTreeMap<u32, (u32, IdRange)>,
    /// The pid namespaces of these users' instances.
    instances: BTreeSet<u64>,
}

impl Owners {
    /// These users, as far as they have a range. What is started later is not known: `all` was read
    /// before.
    #[must_use]
    pub fn of(policy: &Policy, uids: &[u32]) -> Owners {
        let ranges = ranges(policy, uids);
        let ranges = ranges
            .into_iter()
            .map(|(uid, range)| (range.uid_start, (uid, range)));
        let mut owners = Owners {
            ranges: ranges.collect(),
            instances: BTreeSet::new(),
        };
        owners.look_for_instances();
        owners
    }

    fn look_for_instances(&mut self) {
        let run = Path::new(RUN);
        let users = self.ranges.values().map(|(uid, _)| *uid);
        let all = users.flat_map(|uid| instances_of(run, uid).unwrap_or_default());
        let first = all.filter_map(|(uid, name)| Runtime::peek(run, uid, &name).ok()?);
        let namespace = |instance: caddis_view::Instance| {
            let pid = instance.pid.as_raw_nonzero().get();
            // The process of that number may have been another one meanwhile.
            let namespace = pid_namespace(pid)?;
            (!instance.has_ended().ok()?).then_some(namespace)
        };
        self.instances = first.filter_map(namespace).collect();
    }

    /// The user whose range has one of these ids, and the range.
    fn owner(&self, uids: [u32; 4]) -> Option<&(u32, IdRange)> {
        uids.iter().find_map(|uid| {
            let (start, owner) = self.ranges.range(..=uid).next_back()?;
            let spare = spare_uid(owner.0, *start);
            let [real, _, saved, _] = uids;
            // Root's own process that has taken the id for a moment: a user's never gets both of
            // these.
            let roots = saved == 0 && (real == 0 || real == spare);
            (uid - start < RANGE && !roots).then_some(owner)
        })
    }

    /// Whether a process, or one that it descends from, is in the pid namespace of an instance.
    fn is_inside(&self, pid: i32, known: &mut Known) -> bool {
        let mut above = Vec::new();
        let mut one = pid;
        let inside = loop {
            if let Some(inside) = known.get(&one) {
                break *inside;
            }
            if pid_namespace(one).is_some_and(|namespace| self.instances.contains(&namespace)) {
                break true;
            }
            // A number that is used again may close a circle.
            known.insert(one, false);
            above.push(one);
            match Stat::of(one).ok().flatten() {
                Some(stat) if stat.parent > 0 => one = stat.parent,
                _ => break false,
            }
        };
        above.push(one);
        known.extend(above.into_iter().map(|pid| (pid, inside)));
        inside
    }

    /// Whose stray this is.
    fn owner_of_stray(
        &self,
        pid: i32,
        status: &Status,
        known: &mut Known,
    ) -> Option<&(u32, IdRange)> {
        let owner = self.owner(status.uids)?;
        let inside = !status.inner.is_empty() && self.is_inside(pid, known);
        (!status.is_dead() && !inside).then_some(owner)
    }

    /// The strays among `all` processes, each with its user and the user's range.
    pub fn strays<'a>(
        &'a self,
        all: &'a BTreeMap<i32, Process>,
    ) -> impl Iterator<Item = (&'a Process, u32, &'a IdRange)> {
        let mut known = Known::new();
        all.values().filter_map(move |process| {
            let (uid, range) = self.owner(process.uids)?;
            let inside = process.is_below() && self.is_inside(process.host, &mut known);
            (!inside).then_some((process, *uid, range))
        })
    }

    /// Finds the strays that there are now, and does something with each at once.
    ///
    /// Numbers are given out in ascending order and looked at in that order, a few at a time: a
    /// process that forks and ends, again and again, is missed only to be met again under its next
    /// number. Ends at `until`, wherever it is then.
    fn each(&self, until: Instant, mut act: impl FnMut(&Stray)) -> Pass {
        let mut pass = Pass::default();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(proc) = openat(CWD, "/proc", flags, Mode::empty()) else {
            return pass;
        };
        // What comes before the processes has longer names.
        let _ = seek(&proc, SeekFrom::Start(FIRST_PROCESS));
        let mut buffer = [MaybeUninit::uninit(); 64];
        let mut entries = RawDir::new(proc, &mut buffer);
        let mut known = Known::new();
        while let Some(entry) = entries.next() {
            let Ok(entry) = entry else {
                return pass;
            };
            let name = entry.file_name().to_str().ok();
            let pid = name.and_then(|name| name.parse().ok());
            if let Some(stray) = pid.and_then(|pid| self.stray(pid, &mut known)) {
                act(&stray);
                pass.found.push(stray);
            }
            if Instant::now() >= until {
                return pass;
            }
        }
        pass.complete = true;
        pass
    }

    fn stray(&self, pid: i32, known: &mut Known) -> Option<Stray> {
        self.owner_of_stray(pid, &Status::of(pid)?, known)?;
        let pid = Pid::from_raw(pid)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Looked at again: the descriptor may be another process's that has got this number
        // meanwhile. What is known of its parents holds for the pass.
        let number = pid.as_raw_nonzero().get();
        known.remove(&number);
        let status = Status::of(number)?;
        let (uid, _) = *self.owner_of_stray(number, &status, known)?;
        Some(Stray {
            pid,
            pidfd,
            uid,
            state: status.state,
        })
    }
}

/// Which processes are inside of an instance, as one pass over all has found it: each is looked at
/// once, however deep it is.
type Known = HashMap<i32, bool>;

/// A look at all processes.
#[derive(Default)]
struct Pass {
    found: Vec<Stray>,
    /// It has come to the end.
    complete: bool,
}

impl Pass {
    fn found_none(&self) -> bool {
        self.complete && self.found.is_empty()
    }
}

struct Stray {
    pid: Pid,
    pidfd: OwnedFd,
    /// Whose it is.
    uid: u32,
    state: char,
}

/// Ends the strays of these users. Returned is an error for each user of whom some are left.
///
/// First all are stopped, until none is found that runs: a stopped process forks no more and keeps
/// its place under the limit of processes, so those that fork all the time use up what is left of
/// it, and come to an end. Only then they are killed, until none is found. Both take a bounded
/// time, because the user's own processes, which nobody touches here, may start new ones.
#[must_use]
pub fn end(policy: &Policy, uids: &[u32]) -> Vec<Error> {
    let until = Instant::now() + STOPPING;
    let owners = Owners::of(policy, uids);
    let none = || owners.each(until, |_| ()).found_none();
    if none() && none() {
        return Vec::new();
    }
    // Against hundreds that want the processor as well. Where it cannot be, it takes more rounds.
    let _ = setpriority_process(None, -20);
    let mut asked = BTreeSet::new();
    while Instant::now() < until {
        let mut running = 0;
        owners.each(until, |stray| {
            let stopped = match stray.state {
                'T' | 't' | 'D' => true,
                // Its first thread has ended, and does not show what the others do.
                'Z' => !asked.insert(stray.pid.as_raw_nonzero()),
                _ => false,
            };
            if !stopped {
                running += 1;
                let _ = pidfd_send_signal(&stray.pidfd, Signal::STOP);
            }
        });
        if running == 0 {
            break;
        }
    }
    let until = Instant::now() + KILLING;
    let mut none = 0;
    loop {
        let pass = owners.each(until, |stray| {
            let _ = pidfd_send_signal(&stray.pidfd, Signal::KILL);
        });
        none = if pass.found_none() { none + 1 } else { 0 };
        if none == 2 {
            return Vec::new();
        }
        if Instant::now() >= until {
            let mut errors = left(&pass.found);
            if errors.is_empty() {
                errors.push(too_many());
            }
            return errors;
        }
        let mut ends: Vec<PollFd<'_>> = pass
            .found
            .iter()
            .map(|stray| PollFd::new(&stray.pidfd, PollFlags::IN))
            .collect();
        let _ = poll(&mut ends, Some(&MOMENT));
    }
}

/// Nothing is known to be left, nor that nothing is.
fn too_many() -> Error {
    let reason = format!(
        "{} seconds were not enough to look at all processes of the host twice",
        KILLING.as_secs()
    );
    Error::refused("stop", "the processes outside of environments", reason)
        .hint("try again; see what is left with `caddis admin ps`")
}

fn left(strays: &[Stray]) -> Vec<Error> {
    let uids: BTreeSet<u32> = strays.iter().map(|stray| stray.uid).collect();
    uids.into_iter()
        .map(|uid| {
            let own: Vec<&Stray> = strays.iter().filter(|stray| stray.uid == uid).collect();
            let mut names: Vec<String> = own
                .iter()
                .take(NAMED)
                .map(|stray| format!("{} ({})", stray.pid.as_raw_nonzero(), state_of(stray.pid)))
                .collect();
            if own.len() > NAMED {
                names.push(format!("{} others", own.len() - NAMED));
            }
            let object = format!("the processes of user {uid} outside of environments");
            let reason = format!("these have not ended, or are new: {}", names.join(", "));
            Error::refused("stop", object, reason).hint(format!(
                "the user's own processes may start new ones: `pkill -KILL -u {uid}` ends those; then try again"
            ))
        })
        .collect()
}

//! Ends instances: any number of them together, with one deadline for all.
//!
//! One after the other, each user could keep all others, and root, waiting: for processes that ignore SIGTERM, that are
//! frozen or that hang in the kernel. So every process 1 gets its signal before anybody is waited for. No lock is taken:
//! its holder may be frozen as well.

use crate::ending::{end_careless_parents, kill_members, members};
use crate::error::{Context, Error, Result};
use crate::instance::{Instance, Runtime};
use crate::process::{FROZEN, pid_namespace, state_of};
use crate::record::ENDS;
use caddis_policy::EnvName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, pidfd_send_signal};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long after SIGKILL processes may take to be gone. Unmounting writes a file system's cache to disk; what takes
/// longer than this goes on without us.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a process outside may leave a dead child of a session unattended before it is killed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often those that are still there are looked at.
const MOMENT: Duration = Duration::from_secs(1);

/// So many processes of an instance are named in a message.
const NAMED: usize = 5;

/// Ends the instances of these environments: SIGTERM to all of their processes, then, after `grace`, SIGKILL. Returned
/// is what went wrong, which names each environment that could not be ended and its processes.
///
/// Takes `grace` and thirty seconds at most, however many there are.
#[must_use]
pub fn stop_all(run: &Path, wanted: &[(u32, EnvName)], grace: Duration) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut asked = Vec::new();
    for (uid, name) in wanted {
        let label = format!("environment \"{name}\" of user {uid}");
        let found = Runtime::peek_with_record(run, *uid, name).and_then(|found| {
            let Some((instance, record)) = found else {
                return Ok(None);
            };
            ask(&instance, &record, &label)?;
            Ok(Some(instance))
        });
        match found {
            Ok(Some(instance)) => asked.push((instance, label)),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    let left = asked
        .iter()
        .map(|(instance, label)| Asked { instance, label });
    errors.extend(end(left.collect(), grace));
    errors
}

/// Asks process 1 to end, and has its record keep others from joining: it is the very file in which that process 1 has
/// noted who it is, so that no later instance is meant.
pub(crate) fn ask(instance: &Instance, record: &OwnedFd, label: &str) -> Result<()> {
    // First of all: process 1 does the rest even if we are killed now.
    signal(instance, Signal::TERM, label)?;
    rustix::io::pwrite(record, &[ENDS], 0).doing("write the record of", || label)?;
    Ok(())
}

fn signal(instance: &Instance, signal: Signal, label: &str) -> Result<()> {
    match pidfd_send_signal(&instance.pidfd, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno).doing("stop", || label),
    }
}

/// An instance that has been asked to end.
pub(crate) struct Asked<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) label: &'a str,
}

/// Waits for all of them until `grace` is over, kills what is left, and waits for that. Returned is an error for each
/// that is still there.
pub(crate) fn end(mut left: Vec<Asked<'_>>, grace: Duration) -> Vec<Error> {
    let mut errors = Vec::new();
    wait(&mut left, grace, &mut errors);
    for Asked { instance, label } in &left {
        errors.extend(signal(instance, Signal::KILL, label).err());
    }
    let since = Instant::now();
    while !left.is_empty() && since.elapsed() < LONGEST {
        wait(&mut left, MOMENT, &mut errors);
        if left.is_empty() {
            break;
        }
        let namespaces = namespaces(&left);
        // Process 1 would end them, but may itself be frozen.
        kill_members(&namespaces);
        end_careless_parents(&namespaces, since.elapsed() >= PATIENCE);
    }
    errors.extend(left.iter().map(about));
    errors
}

/// Waits until all are gone, but no longer than `limit`; keeps those that are not.
fn wait(left: &mut Vec<Asked<'_>>, limit: Duration, errors: &mut Vec<Error>) {
    let end = Instant::now() + limit;
    while !left.is_empty() {
        let rest = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(rest).unwrap_or(Timespec {
            tv_sec: i64::MAX,
            tv_nsec: 0,
        });
        let mut fds: Vec<PollFd<'_>> = left
            .iter()
            .map(|one| PollFd::from_borrowed_fd(one.instance.pidfd.as_fd(), PollFlags::IN))
            .collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => {
                errors.extend(
                    Err::<(), _>(errno)
                        .doing("wait for", || "environments")
                        .err(),
                );
                return;
            }
        }
        let gone: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut gone = gone.into_iter();
        left.retain(|_| !gone.next().unwrap_or(false));
    }
}

fn namespaces(left: &[Asked<'_>]) -> BTreeSet<u64> {
    left.iter()
        .filter_map(|one| pid_namespace(one.instance.pid.as_raw_nonzero().get()))
        .collect()
}

/// What of an instance is still there, and what to do about it.
fn about(one: &Asked<'_>) -> Error {
    let process_1 = one.instance.pid;
    let all: Vec<(Pid, &str)> = members(&namespaces(std::slice::from_ref(one)))
        .into_iter()
        .map(|pid| (pid, state_of(pid)))
        .collect();
    // Process 1 waits for the others: it is named only where there are none.
    let mut held: Vec<&(Pid, &str)> = all.iter().filter(|(pid, _)| *pid != process_1).collect();
    if held.is_empty() {
        held.extend(&all);
    }
    let mut names: Vec<String> = held
        .iter()
        .take(NAMED)
        .map(|(pid, state)| format!("{} ({state})", pid.as_raw_nonzero()))
        .collect();
    if held.len() > NAMED {
        names.push(format!("{} others", held.len() - NAMED));
    }
    let first = held.first().map_or(process_1, |(pid, _)| *pid);
    let pid = first.as_raw_nonzero();
    let hint = match held.iter().any(|(_, state)| *state == FROZEN) {
        true => format!(
            "they have been killed and end when their cgroup is thawed; see /proc/{pid}/cgroup"
        ),
        false => format!(
            "they have been killed and end when the kernel lets them; see /proc/{pid}/stack"
        ),
    };
    let reason = format!(
        "these processes have not ended within {} seconds of SIGKILL: {}",
        LONGEST.as_secs(),
        names.join(", ")
    );
    Error::refused("stop", one.label, reason).hint(hint)
}

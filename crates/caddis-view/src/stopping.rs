//! Ends instances: any number of them together, with one deadline for all.
//!
//! One after the other, each user could keep all others, and root, waiting: for processes that
//! ignore SIGTERM, that are frozen or that hang in the kernel. So every process 1 gets its signal
//! before anybody is waited for. No lock is taken: its holder may be frozen as well.

use crate::ending::{end_careless_parents, kill_members, members_of_each, namespace};
use crate::error::{Context, Error, Result};
use crate::instance::{Instance, Runtime};
use crate::process::{FROZEN, state_of};
use crate::record::ENDS;
use caddis_policy::EnvName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, pidfd_send_signal};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long after SIGKILL processes may take to be gone. Unmounting writes a file system's cache to
/// disk; what takes longer than this goes on without us.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a process outside may leave a dead child of a session unattended before it is killed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often those that are still there are looked at.
const MOMENT: Duration = Duration::from_secs(1);

/// So many processes of an instance are named in a message.
const NAMED: usize = 5;

/// Ends the instances of these environments: SIGTERM to all of their processes, then, after
/// `grace`, SIGKILL. Returned is what went wrong, which names each environment that could not be
/// ended and its processes.
///
/// Takes `grace` and thirty seconds at most, however many there are.
#[must_use]
pub fn stop_all(run: &Path, wanted: &[(u32, EnvName)], grace: Duration) -> Vec<Error> {
    let each = stop_each(run, wanted, grace);
    each.into_iter().filter_map(Result::err).collect()
}

/// The same, with an answer for each, in their order.
#[must_use]
pub fn stop_each(run: &Path, wanted: &[(u32, EnvName)], grace: Duration) -> Vec<Result<()>> {
    let asked: Vec<(String, Result<Option<Instance>>)> = wanted
        .iter()
        .map(|(uid, name)| {
            let label = format!("environment \"{name}\" of user {uid}");
            let asked = Runtime::peek_with_record(run, *uid, name).and_then(|found| {
                found
                    .map(|(instance, record)| {
                        ask(&instance, &record, &label)?;
                        Ok(instance)
                    })
                    .transpose()
            });
            (label, asked)
        })
        .collect();
    let mut left: Vec<Asked<'_>> = asked
        .iter()
        .enumerate()
        .filter_map(|(number, (label, asked))| {
            let instance = asked.as_ref().ok()?.as_ref()?;
            Some(Asked {
                number,
                instance,
                label,
            })
        })
        .collect();
    let mut errors: BTreeMap<usize, Error> = end(&mut left, grace, None).into_iter().collect();
    drop(left);
    let answer = |(number, (_, asked)): (usize, (String, Result<Option<Instance>>))| {
        asked.and_then(|_| errors.remove(&number).map_or(Ok(()), Err))
    };
    asked.into_iter().enumerate().map(answer).collect()
}

/// Asks process 1 to end, and marks its record so that no process joins. The record is the file
/// that this process 1 wrote, so a later instance is not affected.
pub(crate) fn ask(instance: &Instance, record: &OwnedFd, label: &str) -> Result<()> {
    // First of all: process 1 does the rest even if we are killed now.
    match pidfd_send_signal(&instance.pidfd, Signal::TERM) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(errno) => return Err(errno).doing("stop", || label),
    }
    rustix::io::pwrite(record, &[ENDS], 0).doing("write the record of", || label)?;
    Ok(())
}

/// An instance that has been asked to end.
pub(crate) struct Asked<'a> {
    /// Which one it is of those that are ended together.
    pub(crate) number: usize,
    pub(crate) instance: &'a Instance,
    pub(crate) label: &'a str,
}

/// Waits for all of them until `grace` is over, kills what is left, and waits for that. Those that
/// are gone are taken out of `left`; returned is an error for each that is not, by its number. What
/// is there at `latest` is killed then and not waited for beyond a moment.
pub(crate) fn end(
    left: &mut Vec<Asked<'_>>,
    grace: Duration,
    latest: Option<Instant>,
) -> Vec<(usize, Error)> {
    let rest = |latest: Instant| latest.saturating_duration_since(Instant::now());
    wait(left, latest.map_or(grace, |latest| grace.min(rest(latest))));
    for Asked { instance, .. } in left.iter() {
        // Only an instance that is gone by now is not killed.
        let _ = pidfd_send_signal(&instance.pidfd, Signal::KILL);
    }
    let since = Instant::now();
    let longest = latest.map_or(LONGEST, |latest| LONGEST.min(rest(latest).max(MOMENT)));
    while !left.is_empty() && since.elapsed() < longest {
        wait(left, MOMENT.min(longest.saturating_sub(since.elapsed())));
        if left.is_empty() {
            break;
        }
        let namespaces = namespaces(left);
        // Process 1 would end them, but may itself be frozen.
        kill_members(&namespaces);
        end_careless_parents(&namespaces, since.elapsed() >= PATIENCE);
    }
    let waited = since.elapsed();
    // One look for all, so that many take no longer.
    let mut members = match left.is_empty() {
        true => BTreeMap::new(),
        false => members_of_each(&namespaces(left)),
    };
    let mut about = |one: &Asked<'_>| {
        let namespace = namespace(one.instance);
        let own = namespace.and_then(|namespace| members.remove(&namespace));
        (one.number, about(one, own.unwrap_or_default(), waited))
    };
    left.iter().map(&mut about).collect()
}

/// Waits until all are gone, but no longer than `limit`; keeps those that are not.
fn wait(left: &mut Vec<Asked<'_>>, limit: Duration) {
    // A grace beyond all times waits for ever.
    let end = Instant::now().checked_add(limit);
    while !left.is_empty() {
        let rest = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = rest.and_then(|rest| Timespec::try_from(rest).ok());
        let mut fds: Vec<PollFd<'_>> = left
            .iter()
            .map(|one| PollFd::from_borrowed_fd(one.instance.pidfd.as_fd(), PollFlags::IN))
            .collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            // More descriptors than a limit that was lowered meanwhile, or no memory: at once to
            // what comes next.
            Err(_) => return,
        }
        let gone: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut gone = gone.into_iter();
        left.retain(|_| !gone.next().unwrap_or(false));
    }
}

fn namespaces(left: &[Asked<'_>]) -> BTreeSet<u64> {
    left.iter()
        .filter_map(|one| namespace(one.instance))
        .collect()
}

/// What of an instance is still there, and what to do about it.
fn about(one: &Asked<'_>, members: Vec<Pid>, waited: Duration) -> Error {
    let process_1 = one.instance.pid;
    let all: Vec<(Pid, &str)> = members
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
        waited.as_secs(),
        names.join(", ")
    );
    Error::refused("stop", one.label, reason).hint(hint)
}

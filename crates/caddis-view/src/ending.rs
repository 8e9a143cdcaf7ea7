//! Waiting for an instance to be gone: for the end of process 1, which the kernel tells of only after every
//! process of its pid namespace, and with them the mounts, are gone.

use crate::error::{Context, Error, Result};
use crate::instance::Instance;
use crate::process::{Stat, Status, pid_namespace};
use crate::stopping::PATIENCE;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Unmounting writes a file system's cache to disk, which can take a while, but not for ever.
const LONGEST: Duration = Duration::from_secs(120);

/// When a wait for the end of an instance that begins now ends.
#[must_use]
pub fn end_deadline() -> Instant {
    Instant::now() + LONGEST
}

/// Waits until `instance` is gone, or until `end`.
///
/// The first process of a session has its parent outside. As long as that one does not attend to its dead child, which
/// its user can see to, the child cannot go, and process 1 with it, and root would wait as well. So such a parent is
/// killed: at once if it is stopped, after a while if it only does nothing (a subreaper of the user's, a process that
/// is frozen).
pub fn wait_until_gone(instance: &Instance, end: Instant) -> Result<()> {
    let since = Instant::now();
    loop {
        let rest = end.saturating_duration_since(Instant::now());
        if wait_for_end(&instance.pidfd, Some(rest.min(Duration::from_secs(1))))? {
            return Ok(());
        }
        if Instant::now() >= end {
            break;
        }
        let namespace = namespace(instance).into_iter().collect();
        end_careless_parents(&namespace, since.elapsed() >= PATIENCE);
    }
    let pid = instance.pid.as_raw_nonzero();
    let reason = format!(
        "process {pid} has not ended after {} seconds",
        since.elapsed().as_secs()
    );
    Err(
        Error::refused("wait for the end of", "the former instance", reason)
            .hint(format!("it hangs in the kernel; see /proc/{pid}/stack")),
    )
}

/// Waits until the process is gone; `false`: it was not after `limit`.
pub(crate) fn wait_for_end(pidfd: &OwnedFd, limit: Option<Duration>) -> Result<bool> {
    let limit = limit.map(|limit| rustix::fs::Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    loop {
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], limit.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("wait for", || "process 1"),
        }
    }
}

/// The pid namespace of an instance; `None`: it has ended. Never the one that we are in: the number
/// of a process 1 that has just ended may be another process's.
pub(crate) fn namespace(instance: &Instance) -> Option<u64> {
    let namespace = pid_namespace(instance.pid.as_raw_nonzero().get())?;
    let own = pid_namespace(std::process::id().cast_signed())?;
    // After the look: so it was process 1 that was looked at.
    let lives = !instance.has_ended().ok()?;
    (lives && namespace != own).then_some(namespace)
}

/// Kills the parents outside of dead processes in these pid namespaces: those that are stopped, or
/// `all` but root's and those that we descend from.
pub(crate) fn end_careless_parents(namespaces: &BTreeSet<u64>, all: bool) {
    let children: BTreeMap<i32, i32> = members(namespaces)
        .into_iter()
        .filter_map(|pid| dead_child(pid.as_raw_nonzero().get()))
        .collect();
    let ancestors = ancestors();
    for (parent, child) in children {
        let Some(pidfd) =
            Pid::from_raw(parent).and_then(|parent| pidfd_open(parent, PidfdFlags::empty()).ok())
        else {
            continue;
        };
        // Looked at again: if the descriptor is not that parent's, whose number this is now, then it
        // is the one of a process that is gone.
        let inside = pid_namespace(child).is_some_and(|one| namespaces.contains(&one));
        let still = inside && dead_child(child) == Some((parent, child));
        let outside = pid_namespace(parent) == pid_namespace(Pid::INIT.as_raw_nonzero().get());
        let stopped = stat(parent).is_some_and(|stat| ['T', 't'].contains(&stat.state));
        let careless =
            all && !ancestors.contains(&parent) && real_uid(parent).is_some_and(|uid| uid != 0);
        if still && outside && (stopped || careless) {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        }
    }
}

/// The parent of a process, and the process, if it is dead.
fn dead_child(pid: i32) -> Option<(i32, i32)> {
    let stat = stat(pid).filter(|stat| stat.state == 'Z')?;
    Some((stat.parent, pid))
}

/// Kills all processes of these pid namespaces.
pub(crate) fn kill_members(namespaces: &BTreeSet<u64>) {
    for pid in members(namespaces) {
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // Looked at again: the descriptor may be another process's that has got this number
        // meanwhile.
        let namespace = pid_namespace(pid.as_raw_nonzero().get());
        if namespace.is_some_and(|one| namespaces.contains(&one)) {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        }
    }
}

/// The processes of these pid namespaces, dead ones that nobody has waited for among them.
fn members(namespaces: &BTreeSet<u64>) -> Vec<Pid> {
    members_of_each(namespaces)
        .into_values()
        .flatten()
        .collect()
}

/// The same, by their namespace.
pub(crate) fn members_of_each(namespaces: &BTreeSet<u64>) -> BTreeMap<u64, Vec<Pid>> {
    let mut members: BTreeMap<u64, Vec<Pid>> = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else {
        return members;
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for pid in pids {
        let namespace = pid_namespace(pid).filter(|one| namespaces.contains(one));
        if let (Some(namespace), Some(pid)) = (namespace, Pid::from_raw(pid)) {
            members.entry(namespace).or_default().push(pid);
        }
    }
    members
}

/// This process and those it descends from.
fn ancestors() -> BTreeSet<i32> {
    let own = i32::try_from(std::process::id()).ok();
    std::iter::successors(own, |pid| {
        Some(stat(*pid)?.parent).filter(|parent| *parent > 0)
    })
    .collect()
}

fn stat(pid: i32) -> Option<Stat> {
    Stat::of(pid).ok().flatten()
}

fn real_uid(pid: i32) -> Option<u32> {
    Status::of(pid).map(|status| status.uids[0])
}

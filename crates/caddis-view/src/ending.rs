//! Waiting for an instance to be gone: for the end of process 1, which the kernel tells of only after every
//! process of its pid namespace, and with them the mounts, are gone.

use crate::error::{Context, Error, Result};
use crate::instance::Instance;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Unmounting writes a file system's cache to disk, which can take a while, but not for ever.
const LONGEST: Duration = Duration::from_secs(120);

/// Waits until `instance` is gone.
///
/// The first process of a session has its parent outside. While the user keeps that one stopped, a dead
/// child of it cannot go, and process 1 with it: such a parent is killed, because it would hold up root as
/// well.
pub fn wait_until_gone(instance: &Instance) -> Result<()> {
    if wait_for_end(&instance.pidfd, Some(Duration::from_secs(1)))? {
        return Ok(());
    }
    end_stopped_parents(instance.pid);
    if wait_for_end(&instance.pidfd, Some(LONGEST))? {
        return Ok(());
    }
    let pid = instance.pid.as_raw_nonzero();
    let reason = format!(
        "process {pid} has not ended after {} seconds",
        LONGEST.as_secs()
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

/// Kills the stopped parents of dead processes in the pid namespace of `process_1`.
fn end_stopped_parents(process_1: Pid) {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let of_instance = namespace(process_1.as_raw_nonzero().get());
    let Ok(entries) = fs::read_dir("/proc") else {
        return;
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: BTreeSet<i32> = pids
        .filter(|pid| of_instance.is_some() && namespace(*pid) == of_instance)
        .filter(|pid| state(*pid).is_some_and(|(state, _)| state == 'Z'))
        .filter_map(|pid| Some(state(pid)?.1))
        .collect();
    for parent in parents {
        let outside = namespace(parent) == namespace(Pid::INIT.as_raw_nonzero().get());
        let stopped = state(parent).is_some_and(|(state, _)| state == 'T');
        if let (true, true, Some(parent)) = (outside, stopped, Pid::from_raw(parent)) {
            let _ = kill_process(parent, Signal::KILL);
        }
    }
}

/// The state and the parent of a process, from `/proc/PID/stat`.
fn state(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(&stat[end + 1..])
        .ok()?
        .split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

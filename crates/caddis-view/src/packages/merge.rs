//! Has a child inside the instance merge the databases, and writes down what came of it.

use super::due::Due;
use super::inside;
use super::record::{lines, mark, tell, with};
use crate::credentials::stay_closed;
use crate::ending::wait_for_end;
use crate::error::{Context, Result};
use crate::instance::Instance;
use caddis_sys::{Forked, Namespaces, fork};
use rustix::fs::{FlockOperation, MemfdFlags, flock, fstat, memfd_create};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// A merge takes some ten milliseconds. The child's processes and files are its user's to hold up.
const LONGEST: Duration = Duration::from_secs(10);
const AFTER_KILL: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The databases are one.
    Merged,
    /// Nothing was changed.
    Untouched,
    /// Some files may have been written.
    Partly,
}

/// The same for the instance that runs, in a process that does nothing else.
pub fn merge_in(due: &Due, instance: &Instance) -> Result<()> {
    stay_closed().doing("prctl", || "PR_SET_DUMPABLE")?;
    move_into_thread_name_spaces(instance.pidfd.as_fd(), ThreadNameSpaceType::PROCESS_ID)
        .doing("setns", || "the instance's pid namespace")?;
    merge(due, instance)
}

/// Merges, in the pid namespace that the caller has chosen for its children: the instance's. What goes wrong is written
/// down for the user, and tried again the next time.
pub fn merge(due: &Due, instance: &Instance) -> Result<()> {
    // Somebody else may be at it.
    if flock(&due.environment, FlockOperation::NonBlockingLockExclusive).is_err()
        || super::record::marks(&due.environment)? != due.marks
    {
        return Ok(());
    }
    // Before the first change: after a crash, the database comes from either.
    let during = with(&due.marks, due.number);
    mark(&due.environment, &due.marks, &during)?;
    let answer = memfd_create("caddis-packages", MemfdFlags::CLOEXEC)
        .doing("memfd_create", || "the package databases")?;
    // Before it can be seen in there: of a setuid program this is so from the beginning.
    stay_closed().doing("prctl", || "PR_SET_DUMPABLE")?;
    let child = match fork(Namespaces::Same).doing("start", || "a process in the environment")? {
        Forked::Child => {
            inside::run(&instance.pidfd, &answer, due);
            std::process::exit(0);
        }
        Forked::Parent(_, child) => child,
    };
    wait_for(&child)?;
    let (outcome, told) = read(&answer)?;
    let now = match outcome {
        Outcome::Merged => vec![due.number],
        Outcome::Untouched => due.marks.clone(),
        Outcome::Partly => during.clone(),
    };
    mark(&due.environment, &during, &now)?;
    let mut all = lines(&due.environment)?;
    match outcome {
        Outcome::Merged => all.clear(),
        _ => all.retain(|line| !line.starts_with("failed=")),
    }
    all.extend(told);
    tell(&due.environment, &all)
}

/// Waits, but not for ever: container root can stop the child.
fn wait_for(child: &OwnedFd) -> Result<()> {
    if !wait_for_end(child, Some(LONGEST))? {
        let _ = pidfd_send_signal(child, Signal::KILL);
        wait_for_end(child, Some(AFTER_KILL))?;
    }
    let _ = waitid(
        WaitId::PidFd(child.as_fd()),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    );
    Ok(())
}

/// The most that is read of the child's answer.
const MOST: u64 = 1 << 20;

/// Reads what the child wrote: a word, then lines of fields. Its values are the user's; they are printable.
fn read(answer: &OwnedFd) -> Result<(Outcome, Vec<String>)> {
    let size = fstat(answer).doing("stat", || "the answer")?.st_size;
    let mut bytes =
        vec![0; usize::try_from(u64::try_from(size).unwrap_or(0).min(MOST)).unwrap_or(0)];
    let length = rustix::io::pread(answer, &mut bytes[..], 0).doing("read", || "the answer")?;
    bytes.truncate(length);
    let plain = |byte: &u8| byte.is_ascii_graphic() || b" \t\n".contains(byte);
    let text = String::from_utf8(bytes)
        .ok()
        .filter(|text| text.bytes().all(|byte| plain(&byte)));
    let text = text.unwrap_or_default();
    let mut lines = text.lines().map(str::to_owned);
    let outcome = match lines.next().as_deref() {
        Some("merged") => Outcome::Merged,
        Some("untouched") => Outcome::Untouched,
        Some("partly") => Outcome::Partly,
        _ => {
            let failed = "failed=the merge was interrupted, or took too long";
            return Ok((Outcome::Partly, vec![failed.to_owned()]));
        }
    };
    Ok((outcome, lines.collect()))
}

//! Locks that are waited for, but not for ever: their holder may be frozen by its user.

use crate::error::{Context, Error, Result};
use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long somebody may keep an instance locked before others give up, and how often they look.
pub const LONGEST: Duration = Duration::from_secs(60);
pub(crate) const PAUSE: Duration = Duration::from_millis(3);

/// When a wait for a lock that begins now ends.
#[must_use]
pub fn lock_deadline() -> Instant {
    Instant::now() + LONGEST
}

/// Takes the lock. The wait has an end: a user may have frozen the process that holds the lock, and
/// root must not hang with it.
pub(crate) fn lock_within_reason(lock: &OwnedFd, name: &str, end: Instant) -> Result<()> {
    let since = Instant::now();
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < end => std::thread::sleep(PAUSE),
            Err(Errno::WOULDBLOCK) => return Err(locked(lock, name, since)),
            other => return other.doing("lock", || name),
        }
    }
}

fn locked(lock: &OwnedFd, name: &str, since: Instant) -> Error {
    let holder = fstat(lock).ok().and_then(|stat| holder(stat.st_ino));
    let holder = holder.map_or("a process".to_owned(), |pid| format!("process {pid}"));
    let reason = format!(
        "{holder} has kept it locked for {} seconds",
        since.elapsed().as_secs()
    );
    Error::refused("lock the environment", format!("\"{name}\""), reason).hint(
        "it copies or removes something large, or its user has frozen it; an administrator can kill it",
    )
}

/// Who holds the flock(2) on the file of this inode number, from `/proc/locks`.
fn holder(inode: u64) -> Option<u32> {
    // Users can have any number of locks.
    let locks = crate::process::start_of("/proc/locks", 1 << 20).ok()?;
    let locks = String::from_utf8_lossy(&locks);
    let file = format!(":{inode}");
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, _, pid, place, ..] if place.ends_with(&file) => pid.parse().ok(),
            _ => None,
        }
    })
}

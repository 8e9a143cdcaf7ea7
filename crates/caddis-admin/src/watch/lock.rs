//! One watcher on a host is enough.

use caddis_helper::host::RUN;
use caddis_view::error::Context;
use caddis_view::store::top_directory;
use caddis_view::{Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, ftruncate, openat};
use rustix::io::Errno;
use rustix::process::getpid;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Its name is no user's id, so nobody takes it for a user's directory.
const NAME: &str = "watch";

/// Takes the lock, in which the watcher's process id stands for whoever wants to end it.
pub(super) fn take() -> Result<OwnedFd> {
    let run = top_directory(Path::new(RUN))?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = openat(&run, NAME, flags, Mode::RUSR | Mode::WUSR).doing("open", || NAME)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::AGAIN) => {
            let reason = "another watcher does so already";
            return Err(Error::refused("watch", "the base", reason).hint(
                "`systemctl status caddis-watch`, or `cat /run/caddis/watch` for its process id",
            ));
        }
        Err(errno) => return Err(errno).doing("lock", || NAME),
    }
    let pid = format!("{}\n", getpid().as_raw_nonzero());
    ftruncate(&lock, 0).doing("write", || NAME)?;
    rustix::io::write(&lock, pid.as_bytes()).doing("write", || NAME)?;
    Ok(lock)
}

//! Notes beside the record of process 1: that the base was refreshed, and whose environment runs.

use crate::error::{Context, Result, write_all};
use crate::instance::{Runtime, directory};
use caddis_policy::EnvName;
use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, renameat, statat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Left by a refresh for the next session; then, while that one deals with it.
pub(crate) const REFRESHED: &str = "refreshed";
pub(crate) const DEALING: &str = "refreshed.now";

/// Which directory the instance's environment is in; see [`Runtime::bind`].
pub(crate) const BOUND: &str = "of";

impl Runtime {
    /// Tells the next session that the base was refreshed. No lock is needed: who deals with it looks again.
    pub(crate) fn note_refresh(run: &Path, uid: u32, name: &EnvName) -> Result<()> {
        let Some(directory) = directory(run, uid, name)? else {
            return Ok(());
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match openat(&directory, REFRESHED, flags, Mode::RUSR | Mode::WUSR) {
            // It has ended, and somebody has just removed what it left.
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno).doing("create", || REFRESHED),
        }
    }

    /// Whether the base was refreshed since a session has last dealt with it, which the caller does now.
    pub fn was_refreshed(&self) -> Result<bool> {
        match renameat(&self.directory, REFRESHED, &self.directory, DEALING) {
            Ok(()) => return Ok(true),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).doing("rename", || REFRESHED),
        }
        // Somebody has begun, and was killed.
        match statat(&self.directory, DEALING, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno).doing("stat", || DEALING),
        }
    }

    /// The caller has dealt with the last refresh.
    pub fn refresh_is_dealt_with(&self) {
        self.clear(DEALING);
    }

    /// Notes which directory of a user's environments the instance that starts now is of.
    pub fn bind(&self, environments: &OwnedFd) -> Result<()> {
        self.clear(BOUND);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.directory, BOUND, flags, Mode::RUSR | Mode::WUSR)
            .doing("create", || BOUND)?;
        write_all(&file, text(identity(environments)?).as_bytes()).doing("write", || BOUND)
    }

    /// Whether the instance belongs to this directory of a user's environments, and not to that of
    /// an account that had the number before and whose environments were set aside while it
    /// started.
    pub fn is_of(&self, environments: &OwnedFd) -> Result<bool> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match openat(&self.directory, BOUND, flags, Mode::empty()) {
            Ok(file) => file,
            // It was started before there were such notes.
            Err(Errno::NOENT) => return Ok(true),
            Err(errno) => return Err(errno).doing("open", || BOUND),
        };
        let mut buffer = [0_u8; 64];
        let length = rustix::io::read(&file, &mut buffer).doing("read", || BOUND)?;
        Ok(buffer[..length] == *text(identity(environments)?).as_bytes())
    }
}

/// What the kernel knows a directory by, as long as it exists.
pub(crate) fn identity(directory: &OwnedFd) -> Result<(u64, u64)> {
    let stat = fstat(directory).doing("stat", || "the environments of a user")?;
    Ok((stat.st_dev, stat.st_ino))
}

fn text((device, inode): (u64, u64)) -> String {
    format!("{device} {inode}\n")
}

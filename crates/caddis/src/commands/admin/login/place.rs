//! The drop-in as a file.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, fchmod, flock, fsync, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use crate::error::Error;

/// Where sshd's drop-ins are.
pub const DIRECTORY: &str = "/etc/ssh/sshd_config.d";

/// Ours among them. The first value that sshd finds counts, so a site can say otherwise in a file with a lower number.
pub const NAME: &str = "60-caddis.conf";

/// Not matched by the `*.conf` of sshd's Include.
const NEW: &str = ".60-caddis.conf.new";

/// The drop-in's path.
pub fn path() -> String {
    format!("{DIRECTORY}/{NAME}")
}

/// What is there now, if anything.
pub fn read() -> Result<Option<String>, Error> {
    match std::fs::read(path()) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path(), error)),
    }
}

/// sshd's drop-ins, locked against another `caddis admin login`.
#[derive(Debug)]
pub struct Place {
    directory: OwnedFd,
}

impl Place {
    /// Waits until nobody else changes the drop-in; nothing if sshd has no such directory.
    pub fn lock() -> Result<Option<Self>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match openat(CWD, DIRECTORY, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened.map_err(|errno| Error::io("open", DIRECTORY, errno))?,
        };
        flock(&directory, FlockOperation::LockExclusive)
            .map_err(|errno| Error::io("lock", DIRECTORY, errno))?;
        Ok(Some(Self { directory }))
    }

    /// Replaces the drop-in. Whenever this is cut short, the old one or the new one is there, and whole.
    pub fn replace(&self, text: &str) -> Result<(), Error> {
        let failed = |errno| Error::io("write", path(), errno);
        // Of one that was killed.
        self.unlink(NEW).map_err(failed)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.directory, NEW, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        let mut file = File::from(file);
        let written = file.write_all(text.as_bytes());
        written.map_err(|error| Error::io("write", path(), error))?;
        fchmod(&file, Mode::from_raw_mode(0o644))
            .and_then(|()| fsync(&file))
            .and_then(|()| renameat(&self.directory, NEW, &self.directory, NAME))
            .and_then(|()| fsync(&self.directory))
            .map_err(failed)
    }

    /// Removes the drop-in; whether there was one.
    pub fn remove(&self) -> Result<bool, Error> {
        let failed = |errno| Error::io("remove", path(), errno);
        self.unlink(NEW).map_err(failed)?;
        let was_there = self.unlink(NAME).map_err(failed)?;
        fsync(&self.directory).map_err(failed)?;
        Ok(was_there)
    }

    fn unlink(&self, name: &str) -> Result<bool, Errno> {
        match unlinkat(&self.directory, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            done => done.map(|()| true),
        }
    }
}

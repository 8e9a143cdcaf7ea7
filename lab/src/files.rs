//! Files of a host, read and written from outside, by root.

use crate::host::Host;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

impl Host {
    /// The whole content of a file.
    pub fn read(&self, path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut file = File::from(self.open(path, OFlags::RDONLY, 0));
        file.read_to_end(&mut bytes)
            .unwrap_or_else(|error| panic!("host: read {path}: {error}"));
        bytes
    }

    /// The whole content of a file that is text.
    pub fn read_text(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.read(path)).into_owned()
    }

    /// The whole content of a file that is text and may go at any moment, as those of a process do; `None`: it has.
    pub fn text_if_there(&self, path: &str) -> Option<String> {
        let fail = |what: &str, error: &dyn std::fmt::Display| -> ! {
            panic!("host: {what} {path}: {error}")
        };
        let mut file = match self.try_open(path, OFlags::RDONLY, 0) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::SRCH) => return None,
            Err(error) => fail("open", &error),
        };
        let mut bytes = Vec::new();
        match file.read_to_end(&mut bytes) {
            Ok(_) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => None,
            Err(error) => fail("read", &error),
        }
    }

    /// Makes or replaces a file of root's; no umask applies.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>, mode: u32) {
        let mut file =
            File::from(self.open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC, mode));
        file.write_all(bytes.as_ref())
            .unwrap_or_else(|error| panic!("host: write {path}: {error}"));
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .unwrap_or_else(|error| panic!("host: chmod {path}: {error}"));
    }

    /// Adds to the end of a file.
    pub fn append(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let mut file = File::from(self.open(path, OFlags::WRONLY | OFlags::APPEND, 0));
        file.write_all(bytes.as_ref())
            .unwrap_or_else(|error| panic!("host: append to {path}: {error}"));
    }

    /// Whether something is there, be it a dangling link.
    pub fn exists(&self, path: &str) -> bool {
        self.look(path).is_some()
    }

    /// Owner, mode, size, … of something itself (a symbolic link is not followed), or `None` if it is not there.
    pub fn look(&self, path: &str) -> Option<Stat> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat2(
            &self.root,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        );
        match found {
            Ok(file) => {
                let stat = rustix::fs::statat(&file, "", AtFlags::EMPTY_PATH);
                Some(stat.unwrap_or_else(|error| panic!("host: stat {path}: {error}")))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => None,
            Err(error) => panic!("host: look at {path}: {error}"),
        }
    }

    /// Links are resolved as the host does, so that `/etc/x -> /var/x` is never the machine's `/var/x`.
    fn try_open(&self, path: &str, flags: OFlags, mode: u32) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        rustix::fs::openat2(&self.root, path, flags, mode, ResolveFlags::IN_ROOT)
    }

    fn open(&self, path: &str, flags: OFlags, mode: u32) -> OwnedFd {
        self.try_open(path, flags, mode)
            .unwrap_or_else(|error| panic!("host: open {path}: {error}"))
    }
}

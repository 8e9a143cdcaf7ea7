//! What a name stands for, on one side or the other.

use caddis_view::error::{Context, Result, shown};
use caddis_view::overlayfs::is_whiteout_device;
use caddis_view::tree::path_of;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, StatxFlags, StatxTimestamp, makedev, openat, statx,
};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

/// A point in time: seconds since 1970, and nanoseconds.
pub type Time = (i64, u32);

/// A file, directory, link, ... as stat(2) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: FileType,
    /// Permissions, setuid, setgid and sticky bit.
    pub mode: u32,
    /// Its owner, as the host's number of an id of the environment.
    pub uid: u32,
    /// Its group, likewise.
    pub gid: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Whether fewer blocks are allocated than it is long.
    pub sparse: bool,
    /// The number of a device, major and minor.
    pub device: (u32, u32),
    /// When it was changed last, attributes included.
    pub changed: Time,
    /// When it was made, where the file system knows.
    pub born: Option<Time>,
    /// File system and inode number.
    pub id: (u32, u32, u64),
}

impl Entry {
    /// What `name` in `directory` is. `None`: there is nothing of that name, or nothing that the user gets at.
    pub fn of(directory: impl AsFd, name: &CStr) -> Result<Option<Entry>> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let stat = match statx(directory, name, flags, wanted) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => return Ok(None),
            Err(errno) => return Err(errno).doing("stat", || shown(name)),
        };
        let mode = u32::from(stat.stx_mode);
        Ok(Some(Entry {
            kind: FileType::from_raw_mode(mode),
            mode: mode & 0o7777,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            size: stat.stx_size,
            sparse: stat.stx_blocks.saturating_mul(512) < stat.stx_size,
            device: (stat.stx_rdev_major, stat.stx_rdev_minor),
            changed: time(stat.stx_ctime),
            born: (stat.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| time(stat.stx_btime)),
            id: (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino),
        }))
    }

    /// What an open directory is itself.
    pub fn of_directory(directory: impl AsFd) -> Result<Option<Entry>> {
        Entry::of(directory, c"")
    }

    /// It is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// It is overlayfs' mark that there is nothing of that name.
    #[must_use]
    pub fn is_whiteout(&self) -> bool {
        is_whiteout_device(self.kind, makedev(self.device.0, self.device.1))
    }
}

fn time(stamp: StatxTimestamp) -> Time {
    (stamp.tv_sec, stamp.tv_nsec)
}

/// A name in a directory that is open.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a> {
    /// The directory.
    pub directory: &'a OwnedFd,
    /// The name in it; empty: the directory itself.
    pub name: &'a CStr,
}

impl Name<'_> {
    /// A path that leads to it for calls that take no directory. The last component is not followed by calls
    /// that do not follow links.
    pub(crate) fn path(&self) -> CString {
        let mut path = path_of(self.directory).into_bytes();
        path.push(b'/');
        // Of a directory itself: what is behind the kernel's link.
        path.extend(match self.name.to_bytes() {
            b"" => b".",
            name => name,
        });
        CString::new(path).unwrap_or_default()
    }

    /// Opens the file to read. The user may have put something else in its place since it was looked at: a FIFO is not
    /// waited for (`NONBLOCK`; nor is a lease), and the mount refuses devices. The name is one that a directory was
    /// found to have, so it leads nowhere else.
    pub fn open(&self) -> std::result::Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        openat(
            self.directory,
            self.name,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }

    /// Where the symbolic link leads.
    pub fn target(&self) -> std::result::Result<Vec<u8>, Errno> {
        let target = rustix::fs::readlinkat(self.directory, self.name, Vec::new())?;
        Ok(target.into_bytes())
    }
}

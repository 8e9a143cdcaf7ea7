//! Whole trees of an environment: remove, copy, measure. By descriptor only, never through a symbolic
//! link and never onto another file system: the names in these trees are the user's.

mod copy;
mod file;
mod local;
mod remove;
mod trail;
mod usage;

pub use copy::{TAKEN, copy};
pub use file::{copy_attributes, copy_data, times};
pub use local::{Local, is_local, mount_of, reopen};
pub(crate) use remove::MOVED_UP;
pub use remove::remove;
pub use trail::Trail;
pub use usage::disk_usage;

use crate::error::{Context, Result};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Opens the directory `name` inside `parent`: not a link, not a mount point.
pub fn open_directory(parent: impl AsFd, name: &CStr) -> std::result::Result<OwnedFd, Errno> {
    openat2(
        parent,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        WITHIN,
    )
}

/// Opens what is at `path` below `top`, or `top` itself if the path is empty.
pub fn open_beneath(
    top: impl AsFd,
    path: &Path,
    flags: OFlags,
) -> std::result::Result<OwnedFd, Errno> {
    let path = if path == Path::new("") {
        Path::new(".")
    } else {
        path
    };
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if path.as_os_str().len() < LONGEST {
        return openat2(top, path, flags, Mode::empty(), WITHIN);
    }
    // Longer than the kernel takes it at once.
    let mut above: Option<OwnedFd> = None;
    let mut part = PathBuf::new();
    for component in path.components() {
        if part.as_os_str().len() + component.as_os_str().len() + 1 >= LONGEST {
            let on_the_way = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let from = above.as_ref().map_or(top.as_fd(), AsFd::as_fd);
            above = Some(openat2(from, &part, on_the_way, Mode::empty(), WITHIN)?);
            part = PathBuf::new();
        }
        part.push(component);
    }
    let from = above.as_ref().map_or(top.as_fd(), AsFd::as_fd);
    openat2(from, &part, flags, Mode::empty(), WITHIN)
}

/// The kernel takes paths of 4095 bytes.
const LONGEST: usize = 4000;

/// Through no link, and onto no other file system.
pub(crate) const WITHIN: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);

/// The names in a directory, without `.` and `..`. All are read first, because removing or adding
/// entries while the kernel lists them may repeat or lose some.
pub fn names(directory: impl AsFd) -> std::result::Result<Vec<(CString, FileType)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push((name.to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

/// A descriptor as a path, for calls that take no descriptor or not one that was opened with `O_PATH`. It leads to the
/// very file, whatever has its name now.
pub fn path_of(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// Another descriptor of the same directory.
pub fn duplicate(directory: impl AsFd) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(directory, 3).doing("dup", || "a descriptor")
}

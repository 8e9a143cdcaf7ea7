//! Trees are copied.

use super::file::{copy_attributes, copy_data, times};
use super::{duplicate, names, open_directory, path_of};
use crate::error::{Context, Result, shown};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, StatxFlags, XattrFlags, chmodat, chownat, fsetxattr,
    fstat, ioctl_ficlone, linkat, mkdirat, mknodat, openat, readlinkat, statat, statx, symlinkat,
    utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

/// Says of a user's version of a file of the base when it was taken, in nanoseconds since 1970, where the file was
/// made later: it was copied with its environment. Not among what can be seen or set inside.
pub const TAKEN: &CStr = c"trusted.caddis.taken";

/// Copies the tree `name` of `from` to `to`, where it does not exist yet: data (shared blocks where
/// the file system can), owners, modes, times, extended attributes (overlayfs keeps whiteouts and
/// redirects there), hard links.
pub fn copy(from: impl AsFd, to: impl AsFd, name: &CStr) -> Result<()> {
    let top = to.as_fd();
    let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let (from, to) = (Rc::new(duplicate(from)?), Rc::new(duplicate(top)?));
    let mut stack = vec![Copying::Entry(from, to, name.to_owned(), PathBuf::new())];
    while let Some(next) = stack.pop() {
        let (from, to, name, above) = match next {
            Copying::Finish(source, target) => {
                // After its entries, which would change the times again.
                copy_attributes(&source, &target, |_| true)
                    .doing("copy the attributes of", || "a directory")?;
                continue;
            }
            Copying::Entry(from, to, name, above) => (from, to, name, above),
        };
        let path = above.join(OsStr::from_bytes(name.to_bytes()));
        let stat =
            statat(&*from, &name, AtFlags::SYMLINK_NOFOLLOW).doing("stat", || shown(&name))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = links.get(&(stat.st_dev, stat.st_ino)) {
                match linkat(top, first, &*to, &name, AtFlags::empty()) {
                    Ok(()) => continue,
                    // Nested too deep to be named: becomes a file of its own.
                    Err(Errno::NAMETOOLONG) => {}
                    Err(errno) => return Err(errno).doing("link", || shown(&name)),
                }
            }
            links.insert((stat.st_dev, stat.st_ino), path.clone());
        }
        if kind == FileType::Directory {
            let source = open_directory(&*from, &name).doing("open", || shown(&name))?;
            mkdirat(&*to, &name, Mode::RWXU).doing("create", || shown(&name))?;
            let target = open_directory(&*to, &name).doing("open", || shown(&name))?;
            let children = names(&source).doing("list", || shown(&name))?;
            let (source, target) = (Rc::new(source), Rc::new(target));
            stack.push(Copying::Finish(source.clone(), target.clone()));
            stack.extend(children.into_iter().map(|(child, _)| {
                Copying::Entry(source.clone(), target.clone(), child, path.clone())
            }));
        } else {
            copy_entry(&from, &to, &name, &stat, kind).doing("copy", || shown(&name))?;
        }
    }
    Ok(())
}

enum Copying {
    /// From, to, name, and the path above it, from the top of the copy.
    Entry(Rc<OwnedFd>, Rc<OwnedFd>, CString, PathBuf),
    Finish(Rc<OwnedFd>, Rc<OwnedFd>),
}

fn copy_entry(
    from: &OwnedFd,
    to: &OwnedFd,
    name: &CStr,
    stat: &Stat,
    kind: FileType,
) -> std::result::Result<(), Errno> {
    match kind {
        FileType::RegularFile => {
            let source = open_same(from, name, stat)?;
            let target = openat(
                to,
                name,
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::RUSR | Mode::WUSR,
            )?;
            if ioctl_ficlone(&target, &source).is_err() {
                copy_data(&source, &target, stat)?;
            }
            keep_time_taken(&source, &target)?;
            return copy_attributes(&source, &target, |_| true);
        }
        FileType::Symlink => symlinkat(readlinkat(from, name, Vec::new())?, to, name)?,
        _ => mknodat(
            to,
            name,
            kind,
            Mode::from_raw_mode(stat.st_mode),
            stat.st_rdev,
        )?,
    }
    // No descriptor for these: devices, sockets and links are not opened. Overlayfs' own attributes
    // are only on files and directories; a whiteout has none.
    chownat(
        to,
        name,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    if kind != FileType::Symlink {
        // Again: another owner clears setuid bits.
        chmodat(
            to,
            name,
            Mode::from_raw_mode(stat.st_mode),
            AtFlags::empty(),
        )?;
    }
    utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

/// Opens the regular file that `stat` is of. Whoever still has a file of the tree open could put a FIFO or
/// a device in its place meanwhile, which must not even be opened.
fn open_same(from: &OwnedFd, name: &CStr, stat: &Stat) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat(from, name, flags, Mode::empty())?;
    let now = fstat(&found)?;
    if (now.st_dev, now.st_ino, now.st_mode) != (stat.st_dev, stat.st_ino, stat.st_mode) {
        return Err(Errno::STALE);
    }
    rustix::fs::open(
        path_of(&found),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Notes when the original was made. That of an original that is a copy itself is among its attributes, and wins.
fn keep_time_taken(source: &OwnedFd, target: &OwnedFd) -> std::result::Result<(), Errno> {
    let stat = statx(source, c"", AtFlags::EMPTY_PATH, StatxFlags::BTIME)?;
    if stat.stx_mask & StatxFlags::BTIME.bits() == 0 {
        return Ok(());
    }
    let seconds = u64::try_from(stat.stx_btime.tv_sec).unwrap_or(0);
    let nanoseconds = seconds * 1_000_000_000 + u64::from(stat.stx_btime.tv_nsec);
    let value = nanoseconds.to_string();
    fsetxattr(target, TAKEN, value.as_bytes(), XattrFlags::empty())
}

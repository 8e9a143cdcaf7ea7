//! Whole trees of an environment: remove, copy, measure. By descriptor only, never through a symbolic
//! link and never onto another file system: the names in these trees are the user's.

use crate::error::{Context, Result};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, StatxFlags, Timespec,
    Timestamps, XattrFlags, chmodat, chownat, fchmod, fchown, fgetxattr, flistxattr, fsetxattr,
    fstat, futimens, ioctl_ficlone, linkat, mkdirat, mknodat, openat, openat2, readlinkat,
    renameat_with, statat, statx, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

/// Opens the directory `name` inside `parent`: not a link, not a mount point.
fn open_directory(parent: impl AsFd, name: &CStr) -> std::result::Result<OwnedFd, Errno> {
    openat2(
        parent,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV,
    )
}

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

fn shown(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// Removes `name` inside `parent` with all that it holds. A name that is gone already is no error, so
/// a removal that was killed can be repeated, also by two at once.
///
/// A user can nest directories deeper than any stack or number of descriptors: what is too deep is moved
/// up beside `name` and removed from there.
pub fn remove(parent: impl AsFd, name: &CStr) -> Result<()> {
    let parent = parent.as_fd();
    let mut tops = vec![name.to_owned()];
    while let Some(top) = tops.pop() {
        remove_one(parent, &top, &mut tops)?;
    }
    Ok(())
}

/// What is moved up is named so, and a number.
pub(crate) const MOVED_UP: &str = ".removing-";

/// How many levels are kept open at once.
const MAX_OPEN: usize = 200;

fn remove_one(parent: BorrowedFd<'_>, top: &CStr, moved: &mut Vec<CString>) -> Result<()> {
    if unlink(parent, top)? {
        return Ok(());
    }
    let Some(directory) = open_for_removal(parent, top)? else {
        return Ok(());
    };
    let list = names(&directory).doing("list", || shown(top))?;
    let mut open = vec![(directory, top.to_owned(), list)];
    while let Some((directory, own_name, list)) = open.last_mut() {
        let Some((child, _)) = list.pop() else {
            let own_name = own_name.clone();
            open.pop();
            let above = open.last().map_or(parent, |(fd, ..)| fd.as_fd());
            match unlinkat(above, &own_name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno).doing("remove", || shown(&own_name)),
            }
        };
        if unlink(directory.as_fd(), &child)? {
            continue;
        }
        let Some(next) = open_for_removal(directory.as_fd(), &child)? else {
            continue;
        };
        if open.len() >= MAX_OPEN {
            moved.push(move_up(
                parent,
                open.last().map_or(parent, |(fd, ..)| fd.as_fd()),
                &child,
            )?);
            continue;
        }
        let list = names(&next).doing("list", || shown(&child))?;
        open.push((next, child, list));
    }
    Ok(())
}

/// Removes what is no directory; `false`: it is one.
fn unlink(parent: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(errno) => Err(errno).doing("remove", || shown(name)),
    }
}

/// Opens a directory that is to be removed; `None`: it is gone, or no directory any more.
fn open_for_removal(parent: BorrowedFd<'_>, name: &CStr) -> Result<Option<OwnedFd>> {
    match open_directory(parent, name) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT) => Ok(None),
        // A file after all: one that may not be removed, see chattr(1).
        Err(Errno::NOTDIR) => Err(Errno::PERM).doing("remove", || shown(name)),
        Err(errno) => Err(errno).doing("open", || shown(name)),
    }
}

fn move_up(top: BorrowedFd<'_>, directory: BorrowedFd<'_>, child: &CStr) -> Result<CString> {
    let mut number = 0_u64;
    loop {
        let name = CString::new(format!("{MOVED_UP}{number}")).unwrap_or_default();
        match renameat_with(directory, child, top, &name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => number += 1,
            Err(errno) => return Err(errno).doing("move", || shown(child)),
        }
    }
}

/// The space that the tree `name` takes, in bytes of allocated blocks; hard links count once.
pub fn disk_usage(parent: impl AsFd, name: &CStr) -> Result<u64> {
    let mut total = 0;
    let mut links = HashMap::new();
    walk(parent, name, &mut |_, _, stat| {
        let blocks = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        if stat.st_nlink <= 1
            || FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            || links.insert((stat.st_dev, stat.st_ino), ()).is_none()
        {
            total += blocks;
        }
        Ok(())
    })?;
    Ok(total)
}

/// Visits a tree: the directory that holds the entry, its name, its attributes; a directory before
/// what is in it. What vanishes meanwhile is passed over.
fn walk(
    parent: impl AsFd,
    name: &CStr,
    visit: &mut dyn FnMut(&OwnedFd, &CStr, &Stat) -> Result<()>,
) -> Result<()> {
    let mut stack = vec![(duplicate(parent)?, name.to_owned(), 0_usize)];
    while let Some((directory, name, depth)) = stack.pop() {
        let stat = match statat(&*directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(errno).doing("stat", || shown(&name)),
        };
        visit(&directory, &name, &stat)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && depth < MAX_DEPTH {
            let next = match open_directory(&*directory, &name) {
                Ok(next) => Rc::new(next),
                Err(Errno::NOENT | Errno::XDEV | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => return Err(errno).doing("open", || shown(&name)),
            };
            let children = names(&*next).doing("list", || shown(&name))?;
            stack.extend(
                children
                    .into_iter()
                    .map(|(child, _)| (next.clone(), child, depth + 1)),
            );
        }
    }
    Ok(())
}

/// Deeper trees are not measured further: each level keeps a descriptor.
const MAX_DEPTH: usize = 400;

/// Says of a user's version of a file of the base when it was taken, in nanoseconds since 1970, where the file was
/// made later: it was copied with its environment. Not among what can be seen or set inside.
pub const TAKEN: &CStr = c"trusted.caddis.taken";

/// Copies the tree `name` of `from` to `to`, where it does not exist yet: data (shared blocks where
/// the file system can), owners, modes, times, extended attributes (overlayfs keeps whiteouts and
/// redirects there), hard links.
pub fn copy(from: impl AsFd, to: impl AsFd, name: &CStr) -> Result<()> {
    let top = to.as_fd();
    let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let (from, to) = (duplicate(from)?, duplicate(top)?);
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

fn duplicate(directory: impl AsFd) -> Result<Rc<OwnedFd>> {
    let copy = rustix::io::fcntl_dupfd_cloexec(directory, 3).doing("dup", || "a descriptor")?;
    Ok(Rc::new(copy))
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
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Copies the data of a file, keeping its holes.
pub fn copy_data(
    source: &OwnedFd,
    target: &OwnedFd,
    stat: &Stat,
) -> std::result::Result<(), Errno> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(source, rustix::fs::SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        let end = rustix::fs::seek(source, rustix::fs::SeekFrom::Hole(start))?;
        copy_range(source, target, start..end)?;
        at = end;
    }
    rustix::fs::ftruncate(target, size)
}

/// Copies a part of a file, which ends earlier if the file has become shorter.
fn copy_range(
    source: &OwnedFd,
    target: &OwnedFd,
    range: Range<u64>,
) -> std::result::Result<(), Errno> {
    let (mut read_at, mut write_at) = (range.start, range.start);
    let mut buffer = Vec::new();
    while read_at < range.end {
        let left = usize::try_from(range.end - read_at).unwrap_or(usize::MAX);
        let (from, to) = (Some(&mut read_at), Some(&mut write_at));
        match rustix::fs::copy_file_range(source, from, target, to, left.min(1 << 24)) {
            Ok(0) => break,
            Ok(_) => {}
            // Between two file systems of different types.
            Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::INVAL) => {
                buffer.resize(left.min(1 << 20), 0);
                let length = rustix::io::pread(source, &mut buffer[..], read_at)?;
                if length == 0 {
                    break;
                }
                let written = rustix::io::pwrite(target, &buffer[..length], read_at)?;
                read_at += u64::try_from(written).unwrap_or(0);
                write_at = read_at;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
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

/// Copies owner, mode, times and those extended attributes that are `wanted` by their name.
pub fn copy_attributes(
    source: &OwnedFd,
    target: &OwnedFd,
    wanted: impl Fn(&CStr) -> bool,
) -> std::result::Result<(), Errno> {
    let stat = fstat(source)?;
    fchown(
        target,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )?;
    // After the owner, whose change clears setuid bits and capabilities.
    fchmod(target, Mode::from_raw_mode(stat.st_mode))?;
    let mut list = vec![0_u8; 65536];
    let length = flistxattr(source, &mut list[..])?;
    for name in list[..length].split_inclusive(|byte| *byte == 0) {
        let Some(name) = CStr::from_bytes_with_nul(name)
            .ok()
            .filter(|name| wanted(name))
        else {
            continue;
        };
        let mut value = vec![0_u8; 65536];
        let length = fgetxattr(source, name, &mut value[..])?;
        fsetxattr(target, name, &value[..length], XattrFlags::empty())?;
    }
    futimens(target, &times(&stat))
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

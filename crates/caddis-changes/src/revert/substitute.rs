//! The base's version as something that can be put in the place of the user's: a directory that shows the base's, or
//! a copy of a file. Made underneath, with the numbers that both have on disk; read with the user's own rights.

use caddis_view::Identity;
use caddis_view::credentials::as_user;
use caddis_view::overlayfs::REDIRECT;
use caddis_view::tree::{copy_data, path_of, times};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, XattrFlags, chmodat, chownat, fstat, getxattr,
    listxattr, mkdirat, openat, readlinkat, removexattr, setxattr, symlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

/// A directory `name` in `parent` that shows what the layers below have of the name `of`.
pub(super) fn directory(
    identity: &Identity,
    base: &OwnedFd,
    parent: &OwnedFd,
    name: &CStr,
    of: &CStr,
) -> Result<(), Errno> {
    mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    let made = open_path(parent, name)?;
    copy_attributes(identity, base, &made)?;
    setxattr(path_of(&made), REDIRECT, of.to_bytes(), XattrFlags::empty())
}

/// Once it has its own name, it needs to be led no more.
pub(super) fn settle(parent: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    removexattr(path_of(&open_path(parent, name)?), REDIRECT)
}

/// A copy of `base`, a file or a link, with the name `name` in `parent`. Anything else is refused.
pub(super) fn copy(
    identity: &Identity,
    base: &OwnedFd,
    stat: &Stat,
    parent: &OwnedFd,
    name: &CStr,
) -> Result<(), Errno> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            symlinkat(readlinkat(base, c"", Vec::new())?, parent, name)?;
        }
        FileType::RegularFile => {
            // It is a file: what a lease would make us wait for is an error instead.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let source = as_user(identity, || {
                rustix::fs::open(path_of(base), flags, Mode::empty())
            })?;
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let target = openat(parent, name, flags, Mode::RUSR | Mode::WUSR)?;
            copy_data(&source, &target, &fstat(&source)?)?;
        }
        _ => return Err(Errno::OPNOTSUPP),
    }
    copy_attributes(identity, base, &open_path(parent, name)?)
}

/// Owner, mode, extended attributes and times.
pub(super) fn copy_attributes(
    identity: &Identity,
    base: impl AsFd,
    target: impl AsFd,
) -> Result<(), Errno> {
    let (base, target) = (base.as_fd(), target.as_fd());
    let stat = fstat(base)?;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(target, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        // After the owner, whose change clears setuid bits.
        chmodat(
            rustix::fs::CWD,
            path_of(target),
            Mode::from_raw_mode(stat.st_mode),
            AtFlags::empty(),
        )?;
        let (wanted, has) = (as_user(identity, || attributes(base))?, attributes(target)?);
        for name in has.keys().filter(|name| !wanted.contains_key(*name)) {
            removexattr(path_of(target), name)?;
        }
        for (name, value) in wanted {
            if has.get(&name) != Some(&value) {
                setxattr(path_of(target), &name, &value, XattrFlags::empty())?;
            }
        }
    }
    utimensat(
        rustix::fs::CWD,
        path_of(target),
        &times(&stat),
        AtFlags::empty(),
    )
}

/// Whether owner, mode and extended attributes are the same. Times change with what is in a directory.
pub(super) fn same_attributes(
    identity: &Identity,
    base: impl AsFd,
    own: impl AsFd,
) -> Result<bool, Errno> {
    let (a, b) = (fstat(base.as_fd())?, fstat(own.as_fd())?);
    let same = (a.st_mode, a.st_uid, a.st_gid) == (b.st_mode, b.st_uid, b.st_gid);
    Ok(same && as_user(identity, || attributes(base.as_fd()))? == attributes(own.as_fd())?)
}

/// The extended attributes that are seen inside: not those that only the host's root has.
fn attributes(file: impl AsFd) -> Result<BTreeMap<CString, Vec<u8>>, Errno> {
    let path = path_of(file.as_fd());
    let mut list = vec![0_u8; 65536];
    let length = match listxattr(&path, &mut list[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let mut found = BTreeMap::new();
    for name in list[..length].split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        if name.to_bytes().starts_with(b"trusted.") {
            continue;
        }
        let mut value = vec![0_u8; 65536];
        match getxattr(&path, name, &mut value[..]) {
            Ok(length) => value.truncate(length),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
            Err(errno) => return Err(errno),
        }
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

/// Opens `name` without looking at what it is.
pub(super) fn open_path(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    openat(
        parent,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

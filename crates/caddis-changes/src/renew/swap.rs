//! Puts the base's new version in the place of a name, in the environment's own overlay.

use super::list::Kind;
use super::mark::Mark;
use caddis_view::Identity;
use caddis_view::held::RENEWED;
use caddis_view::tree::{copy_data, times};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Stat, Uid, fchmod, fchown, fstat, futimens, openat,
    renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::OwnedFd;

/// What the base has under a name now, as far as its user can see it.
pub(super) enum Base {
    /// A file, open for reading.
    File(OwnedFd, Stat),
    /// A symbolic link to this.
    Link(CString),
    /// Nothing that the user could read.
    Nothing,
    /// Something that cannot be put in the place of a file.
    Other,
}

impl Base {
    /// What its copy is.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Base::File(..) => Kind::File(None),
            Base::Link(target) => Kind::Link(target.clone()),
            Base::Nothing | Base::Other => Kind::Nothing,
        }
    }
}

/// How the new version of `name` is called until it is in its place, and the old one from then on until it is gone: by
/// that name it is known to those who hold it.
pub(super) fn beside(name: &OsStr) -> OsString {
    let mut beside = OsString::from(RENEWED);
    beside.push(name);
    beside
}

/// Puts the base's version in the place of `name`, which shows `shown` (`None`: nothing). Should that be something else
/// by the time of the rename, it is put back.
pub(super) fn swap(
    directory: &OwnedFd,
    name: &OsStr,
    base: &Base,
    shown: Option<&Stat>,
    identity: &Identity,
) -> Result<(), Errno> {
    let beside = beside(name);
    let beside = beside.as_os_str();
    let made = match base {
        Base::File(file, stat) => make_file(directory, beside, file, stat, identity).map(|()| true),
        Base::Link(target) => symlinkat(target, directory, beside).map(|()| true),
        Base::Nothing | Base::Other => Ok(false),
    }?;
    let (from, to, flags) = match (made, shown) {
        (true, Some(_)) => (name, beside, RenameFlags::EXCHANGE),
        (false, Some(_)) => (name, beside, RenameFlags::NOREPLACE),
        (true, None) => (beside, name, RenameFlags::NOREPLACE),
        (false, None) => return Ok(()),
    };
    let rename = |from, to| renameat_with(directory, from, directory, to, flags);
    let remove = || unlinkat(directory, beside, AtFlags::empty());
    if let Err(errno) = rename(from, to) {
        if made {
            remove()?;
        }
        return Err(errno);
    }
    let Some(shown) = shown else { return Ok(()) };
    let old = statat(directory, beside, AtFlags::SYMLINK_NOFOLLOW)?;
    if !is_copy(&old, shown) {
        rename(to, from)?;
        if !made {
            return Ok(());
        }
    }
    remove()
}

/// A file of the base is copied up for the rename and has another inode then, but all else is as it was.
fn is_copy(copy: &Stat, of: &Stat) -> bool {
    let all = |stat: &Stat| {
        (
            stat.st_mode,
            (stat.st_uid, stat.st_gid),
            stat.st_size,
            (stat.st_mtime, stat.st_mtime_nsec),
        )
    };
    all(copy) == all(of)
}

/// A copy of the base's file, as the environment would see that one.
fn make_file(
    directory: &OwnedFd,
    name: &OsStr,
    source: &OwnedFd,
    base: &Stat,
    identity: &Identity,
) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?;
    let made = (|| {
        copy_data(source, &file, base)?;
        let owner = Uid::from_raw(identity.host_uid(base.st_uid));
        let group = Gid::from_raw(identity.host_gid(base.st_gid));
        fchown(&file, Some(owner), Some(group))?;
        fchmod(&file, Mode::from_raw_mode(base.st_mode))?;
        futimens(&file, &times(base))?;
        Mark::new(base, &fstat(&file)?).set(&file)
    })();
    if made.is_err() {
        let _ = unlinkat(directory, name, AtFlags::empty());
    }
    made
}

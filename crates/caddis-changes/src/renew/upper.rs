//! What an environment's upper layer has under a name that may have been renewed.

use super::list::{Entry, Kind};
use super::mark::Mark;
use super::swap::beside;
use caddis_view::Result;
use caddis_view::error::Context;
use caddis_view::overlayfs::{is_whiteout, marks};
use caddis_view::plan::upper_name;
use caddis_view::tree::open_directory;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What it says about a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// Nothing: the base's shows.
    Nothing,
    /// What was put there to renew it, with its mark, if it is a file.
    Renewed(Option<Mark>),
    /// It is the user's, or a directory above it was renamed or emptied.
    Users,
}

/// Looks. `kind`: what was put there, if anything.
pub(super) fn own(environment: &OwnedFd, entry: &Entry, kind: Option<&Kind>) -> Result<Own> {
    let look = || {
        let (Some(directory), Some(name)) =
            (directory(environment, entry)?, entry.path.file_name())
        else {
            return Ok(Own::Users);
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(&directory, name, flags, Mode::empty())?;
        let stat = fstat(&found)?;
        let ours = match (kind, FileType::from_raw_mode(stat.st_mode)) {
            (Some(Kind::File), FileType::RegularFile) => match Mark::of(&found)? {
                Some(mark) if mark.is_untouched(&stat) => return Ok(Own::Renewed(Some(mark))),
                _ => false,
            },
            (Some(Kind::Nothing), _) => is_whiteout(&stat),
            (Some(Kind::Link(target)), FileType::Symlink) => {
                readlinkat(&found, "", Vec::new())? == *target
            }
            _ => false,
        };
        Ok(if ours { Own::Renewed(None) } else { Own::Users })
    };
    match look() {
        Err(Errno::NOENT) => Ok(Own::Nothing),
        Err(Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(Own::Users),
        other => other.doing("look at the changes of", || entry.path.display()),
    }
}

/// Marks a file that is a copy of the base's `base`. `false`: it is none, or cannot be found by its name.
pub(super) fn mark(environment: &OwnedFd, entry: &Entry, base: &Stat) -> Result<bool> {
    let mark = || {
        let (Some(directory), Some(name)) =
            (directory(environment, entry)?, entry.path.file_name())
        else {
            return Ok(false);
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(&directory, name, flags, Mode::empty())?;
        let stat = fstat(&found)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(false);
        }
        Mark::new(base, &stat).set(&found).map(|()| true)
    };
    match mark() {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(false),
        other => other.doing("mark", || entry.path.display()),
    }
}

/// Takes what was put in the place of a name out of the upper layer.
pub(super) fn take_away(environment: &OwnedFd, entry: &Entry) -> Result<()> {
    let remove = || match (directory(environment, entry)?, entry.path.file_name()) {
        (Some(directory), Some(name)) => unlinkat(directory, name, AtFlags::empty()),
        _ => Ok(()),
    };
    match remove() {
        Err(Errno::NOENT) => Ok(()),
        other => other.doing("give back", || entry.path.display()),
    }
}

/// Removes what a killed renewal has left beside a name. `false`: nothing.
pub(super) fn clear(environment: &OwnedFd, entry: &Entry) -> Result<bool> {
    let remove = || match (directory(environment, entry)?, entry.path.file_name()) {
        (Some(directory), Some(name)) => {
            unlinkat(directory, beside(name), AtFlags::empty()).map(|()| true)
        }
        _ => Ok(false),
    };
    match remove() {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::ISDIR) => Ok(false),
        other => other.doing("clear up beside", || entry.path.display()),
    }
}

/// The directory of the upper layer that a name is in. `None`: one on the way was renamed or emptied.
fn directory(environment: &OwnedFd, entry: &Entry) -> std::result::Result<Option<OwnedFd>, Errno> {
    let name = |name: &OsStr| CString::new(name.as_bytes()).map_err(|_| Errno::INVAL);
    let top = name(OsStr::new(&upper_name(&entry.at)))?;
    let mut directory = open_directory(environment, &top)?;
    let inside = entry.path.strip_prefix(&entry.at).unwrap_or(&entry.path);
    for component in inside.parent().unwrap_or(Path::new("")).components() {
        directory = open_directory(&directory, &name(component.as_os_str())?)?;
        let marks = marks(&directory)?;
        if marks.opaque || marks.redirect.is_some() {
            return Ok(None);
        }
    }
    Ok(Some(directory))
}

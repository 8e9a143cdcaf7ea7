//! What an environment's upper layer has under a name that may have been renewed.

use super::list::{Entry, Kind};
use super::mark::{Mark, identity};
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
            (Some(Kind::File(left)), FileType::RegularFile) => match Mark::of(&found)? {
                // The mark alone would go with it wherever the user moves it, also to the place of another one.
                Some(mark)
                    if mark.is_untouched(&stat)
                        && left.is_none_or(|left| left == identity(&stat)) =>
                {
                    return Ok(Own::Renewed(Some(mark)));
                }
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

/// Marks a file that is a copy of the base's `base`, and says what is to be listed of it. `None`: it is none, or cannot be
/// found by its name.
pub(super) fn mark(environment: &OwnedFd, entry: &Entry, base: &Stat) -> Result<Option<Kind>> {
    with_file(environment, entry, |file, stat| {
        Mark::new(base, stat).set(file)
    })
}

/// What is to be listed of a file that was just put in its place.
pub(super) fn settled(environment: &OwnedFd, entry: &Entry) -> Result<Option<Kind>> {
    with_file(environment, entry, |_, _| Ok(()))
}

fn with_file(
    environment: &OwnedFd,
    entry: &Entry,
    action: impl FnOnce(&OwnedFd, &Stat) -> std::result::Result<(), Errno>,
) -> Result<Option<Kind>> {
    let look = || {
        let (Some(directory), Some(name)) =
            (directory(environment, entry)?, entry.path.file_name())
        else {
            return Ok(None);
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(&directory, name, flags, Mode::empty())?;
        let stat = fstat(&found)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        action(&found, &stat)?;
        Ok(Some(Kind::File(Some(identity(&fstat(&found)?)))))
    };
    match look() {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
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

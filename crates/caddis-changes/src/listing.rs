//! The names in an upper layer, without a look at what lies below it.

use crate::layer::{is_whiteout, marks, open_directory};
use caddis_view::error::Context;
use caddis_view::{Result, tree};
use rustix::fs::{AtFlags, FileType, statat};
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What an entry says of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is something new or changed.
    Present,
    /// There is nothing any more.
    Gone,
}

/// Tells `each` of what the layer says of names below `at`, in an order that is always the same: of files, and of
/// directories that are not just on the way.
pub fn names(layer: OwnedFd, at: &Path, each: &mut dyn FnMut(&Path, Kind)) -> Result<()> {
    let mut left = Vec::new();
    enter(Rc::new(layer), at, &mut left)?;
    // A directory is opened when its turn comes: one may hold more than there are descriptors.
    while let Some((directory, name, path)) = left.pop() {
        let stat = statat(&*directory, &name, AtFlags::SYMLINK_NOFOLLOW)
            .doing("stat", || path.display())?;
        if is_whiteout(&stat) {
            each(&path, Kind::Gone);
            continue;
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            each(&path, Kind::Present);
            continue;
        }
        let inner = open_directory(&*directory, &name).doing("open", || path.display())?;
        let marks = marks(&inner).doing("read the attributes of", || path.display())?;
        let is_empty = enter(Rc::new(inner), &path, &mut left)?;
        // One that is not on the way to anything was changed itself.
        if is_empty || marks.opaque || marks.redirect.is_some() {
            each(&path, Kind::Present);
        }
    }
    Ok(())
}

/// A directory, an entry of it, and the path of that.
type Entry = (Rc<OwnedFd>, CString, PathBuf);

/// Notes the entries of a directory, the first one last; whether there are none.
fn enter(directory: Rc<OwnedFd>, at: &Path, left: &mut Vec<Entry>) -> Result<bool> {
    let mut entries = tree::names(&*directory).doing("list", || at.display())?;
    entries.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    let is_empty = entries.is_empty();
    left.extend(entries.into_iter().map(|(name, _)| {
        let path = at.join(OsStr::from_bytes(name.to_bytes()));
        (directory.clone(), name, path)
    }));
    Ok(is_empty)
}

//! The names in an upper layer, without a look at what lies below it.

use crate::layer::{is_whiteout, marks, open_directory};
use caddis_view::error::Context;
use caddis_view::{Result, tree};
use rustix::fs::{AtFlags, FileType, statat};
use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an entry says of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is something new or changed.
    Present,
    /// There is nothing any more.
    Gone,
}

/// Tells `each` of what the layer says of names below `at`: of files, and of directories that are not just on the way.
pub fn names(layer: OwnedFd, at: &Path, each: &mut dyn FnMut(&Path, Kind)) -> Result<()> {
    let mut directories = vec![(layer, PathBuf::from(at), true)];
    while let Some((directory, at, said)) = directories.pop() {
        let entries = tree::names(&directory).doing("list", || at.display())?;
        // One that is not on the way to anything was changed itself.
        if entries.is_empty() && !said {
            each(&at, Kind::Present);
        }
        for (name, _) in entries {
            let path = at.join(OsStr::from_bytes(name.to_bytes()));
            let stat = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW)
                .doing("stat", || path.display())?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let inner = inner(&directory, &name, &path)?;
                let marks = marks(&inner).doing("read the attributes of", || path.display())?;
                let said = marks.opaque || marks.redirect.is_some();
                if said {
                    each(&path, Kind::Present);
                }
                directories.push((inner, path, said));
            } else if is_whiteout(&stat) {
                each(&path, Kind::Gone);
            } else {
                each(&path, Kind::Present);
            }
        }
    }
    Ok(())
}

fn inner(directory: &OwnedFd, name: &CStr, path: &Path) -> Result<OwnedFd> {
    open_directory(directory, name).doing("open", || path.display())
}

//! The names in a directory.

use caddis_view::tree;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// The names in a directory of the changes, with those of what lies below it if nothing shows through, sorted.
pub(super) fn list(upper: &OwnedFd, below: Option<&OwnedFd>) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    collect(upper, &mut names)?;
    if let Some(below) = below {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(below, ".", flags, Mode::empty()) {
            Ok(below) => collect(&below, &mut names)?,
            // The user cannot list it, so nothing is known to be missing.
            Err(Errno::ACCESS | Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn collect(directory: impl AsFd, names: &mut Vec<CString>) -> Result<(), Errno> {
    names.extend(tree::names(directory)?.into_iter().map(|(name, _)| name));
    Ok(())
}

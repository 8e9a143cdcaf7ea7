//! Where what is given up is put aside: beside overlayfs' own scratch space, on the file system of the upper layer,
//! so that a rename takes it away, and brings it back if need be. Copies of environments leave it out.

use caddis_view::error::Context;
use caddis_view::layer_directories::make_directory;
use caddis_view::store::{entries, root_directory};
use caddis_view::{Result, tree};
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;
use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

const STASH: &str = "reverted";
const WORK: &str = ".work";

/// The stash of one upper layer.
#[derive(Debug)]
pub(super) struct Stash {
    pub(super) directory: OwnedFd,
    next: Cell<u64>,
}

/// Removes what killed reverts left: it was given up.
pub(super) fn clear(environment: &OwnedFd) -> Result<()> {
    for work in entries(environment)? {
        if !work.ends_with(WORK) {
            continue;
        }
        let work = match root_directory(environment, &work, false) {
            Err(error) if error.errno == Some(Errno::NOENT) => continue,
            other => other?,
        };
        tree::remove(&work, &c_name(STASH))?;
    }
    Ok(())
}

impl Stash {
    pub(super) fn of(environment: &OwnedFd, upper: &str) -> Result<Stash> {
        let work = root_directory(environment, &format!("{upper}{WORK}"), false)?;
        match make_directory(&work, STASH) {
            Err(error) if error.errno != Some(Errno::EXIST) => return Err(error),
            _ => {}
        }
        Ok(Stash {
            directory: root_directory(&work, STASH, false)?,
            next: Cell::new(0),
        })
    }

    /// A name that nothing in it has.
    pub(super) fn name(&self) -> CString {
        let number = self.next.get();
        self.next.set(number + 1);
        c_name(&number.to_string())
    }

    /// Takes `name` away from `parent`; `None`: it is gone.
    pub(super) fn take(&self, parent: &OwnedFd, name: &CStr) -> Result<Option<CString>> {
        let aside = self.name();
        match renameat_with(
            parent,
            name,
            &self.directory,
            &aside,
            RenameFlags::NOREPLACE,
        ) {
            Ok(()) => Ok(Some(aside)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno).doing("put aside", || name.to_string_lossy().into_owned()),
        }
    }

    /// Brings it back; `false`: there is something else now, or no place.
    pub(super) fn put_back(&self, aside: &CStr, parent: &OwnedFd, name: &CStr) -> bool {
        renameat_with(&self.directory, aside, parent, name, RenameFlags::NOREPLACE).is_ok()
    }

    /// Removes it for good.
    pub(super) fn discard(&self, aside: &CStr) -> Result<()> {
        tree::remove(&self.directory, aside)
    }
}

/// Names of our own hold no NUL.
fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}

//! Trees are removed, however deep they are.

use super::{names, open_directory};
use crate::error::{Context, Result, shown};
use rustix::fs::{AtFlags, RenameFlags, renameat_with, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// The next number. This process offers no number twice: with many directories to be moved up,
/// each would otherwise be offered the names of all that wait to be removed.
static NEXT: AtomicU64 = AtomicU64::new(0);

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
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("{MOVED_UP}{number}")).unwrap_or_default();
        match renameat_with(directory, child, top, &name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(name),
            // Of a removal that was killed, or of another one.
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).doing("move", || shown(child)),
        }
    }
}

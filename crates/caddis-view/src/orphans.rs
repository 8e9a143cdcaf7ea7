//! Environments whose account is gone: `STATE/env/.orphan-UID-NUMBER`. They are set aside whole,
//! and nobody enters them again; an administrator may look at them and remove them.

use crate::account::Note;
use crate::error::{Context, Error, Result};
use crate::instance::Runtime;
use crate::lock::lock_within_reason;
use crate::making::REMOVED as REMOVED_PREFIX;
use crate::notes::identity;
use crate::refresh::instances_of;
use crate::stopping::stop_all;
use crate::store::{Environments, c_name, entries, environments, root_directory};
use crate::tree;
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// No number of a user begins so.
const ORPHAN: &str = ".orphan-";

/// The environments of an account that is gone.
#[derive(Debug)]
pub struct Orphan {
    /// The name of their directory.
    pub directory: String,
    /// The number that the account had.
    pub uid: u32,
    /// What was noted of the account.
    pub note: Option<Note>,
    /// The environments.
    pub environments: Environments,
}

/// Those that were set aside.
pub fn orphans(state: &Path) -> Result<Vec<Orphan>> {
    let all = environments(state)?;
    let mut found = Vec::new();
    for entry in entries(&all)? {
        let uid = entry
            .strip_prefix(ORPHAN)
            .and_then(|rest| rest.split('-').next());
        let Some(uid) = uid.and_then(|uid| uid.parse().ok()) else {
            continue;
        };
        let directory = match root_directory(&all, &entry, false) {
            // Removed at this moment.
            Err(error) if error.errno == Some(Errno::NOENT) => continue,
            other => other?,
        };
        found.push(Orphan {
            // What is damaged is removed as well.
            note: Note::read(&directory).ok().flatten(),
            directory: entry,
            uid,
            environments: Environments { directory },
        });
    }
    found.sort_by(|a, b| (a.uid, &a.directory).cmp(&(b.uid, &b.directory)));
    Ok(found)
}

/// Sets the environments of `uid` aside, so that the account that has the number now begins with
/// nothing. First all that runs in them is ended, without grace, since its account is gone.
///
/// `foreign` decides whether to set them aside: first without the lock, so that nobody waits for
/// environments that stay; then under it, since another process may have done so already. The lock
/// is waited for until `end`. Returns the new name of their directory; `None`: they stay.
pub fn set_aside(
    state: &Path,
    run: &Path,
    uid: u32,
    foreign: impl Fn(Option<&Note>) -> bool,
    end: Instant,
) -> Result<Option<String>> {
    let all = environments(state)?;
    let name = uid.to_string();
    loop {
        let directory = match root_directory(&all, &name, false) {
            Err(error) if error.errno == Some(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        if !foreign(Note::read(&directory)?.as_ref()) {
            return Ok(None);
        }
        lock_within_reason(&directory, &name, end)?;
        if !is_still(&all, &name, &directory)? {
            continue;
        }
        if !foreign(Note::read(&directory)?.as_ref()) {
            return Ok(None);
        }
        end_instances(run, uid)?;
        let directory = rename(&all, &name, ORPHAN)?;
        // What was started after the others had been ended, by a process of the former account.
        end_instances(run, uid)?;
        return Ok(Some(directory));
    }
}

fn is_still(all: &OwnedFd, name: &str, directory: &OwnedFd) -> Result<bool> {
    let now = match root_directory(all, name, false) {
        Err(error) if error.errno == Some(Errno::NOENT) => return Ok(false),
        other => other?,
    };
    Ok(identity(&now)? == identity(directory)?)
}

/// Gives a directory the first free name of those that begin with `prefix` and its own.
fn rename(all: &OwnedFd, name: &str, prefix: &str) -> Result<String> {
    for number in 1..=u32::MAX {
        let new = format!("{prefix}{name}-{number}");
        match renameat_with(all, name, all, &new, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(new),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).doing("set aside", || name),
        }
    }
    Err(Error::kernel("set aside", name, Errno::EXIST))
}

/// Ends every instance of a number, with all that runs in it.
pub fn end_instances(run: &Path, uid: u32) -> Result<()> {
    let errors = stop_all(run, &instances_of(run, uid)?, Duration::ZERO);
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => Runtime::sweep(run, uid),
    }
}

/// Removes environments that were set aside. It renames them first: what a killed removal leaves is
/// no longer listed, and the next one removes it.
pub fn remove(state: &Path, directory: &str) -> Result<()> {
    let all = environments(state)?;
    rename(&all, directory, REMOVED_PREFIX)?;
    remove_leftovers(&all)
}

/// Removes what killed removals have left.
pub fn remove_leftovers(all: &OwnedFd) -> Result<()> {
    for entry in entries(all)? {
        if entry.starts_with(REMOVED_PREFIX) || entry.starts_with(tree::MOVED_UP) {
            tree::remove(all, &c_name(&entry))?;
        }
    }
    Ok(())
}

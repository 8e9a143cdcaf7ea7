//! The veil: a small layer above the guard, shared by all environments of a host. Root's tools need
//! some of the files that the guard keeps locked (apt's and dpkg's lock files, `/etc/shadow`,
//! `/root`, ...); the veil puts an empty or harmless twin in the place of each.
//!
//! Security does not hang on it: the guard refuses what is not veiled. So it may lag behind the base.
//!
//! `STATE/veil/N/` is generation N, and the highest number counts. Process 1 of an instance holds a
//! shared lock on the generation it uses, so that an old one is removed when nobody does any more.

mod content;
mod plan;
mod scan;
mod write;

pub use plan::{Entry, Twin, VeilPlan};

use crate::error::{Context, Error, Result};
use crate::store::{entries, root_directory, top_directory};
use crate::tree;
use caddis_policy::Policy;
use rustix::fs::{FlockOperation, Mode, OFlags, RenameFlags, flock, fstat, openat, renameat_with};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What [`refresh`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// The generation that counts now.
    pub generation: u64,
    /// How many entries it has.
    pub entries: usize,
    /// It was built now; otherwise the former one was right.
    pub built: bool,
}

/// A generation in use.
#[derive(Debug)]
pub struct Veil {
    /// Its directory.
    pub directory: OwnedFd,
    /// Keeps it from being removed for as long as this is open: a shared lock on the generation's list. Not
    /// on the directory, which nobody should keep open for longer than needed.
    pub lock: OwnedFd,
}

/// Opens the newest generation.
pub fn newest(state: &Path) -> Result<Veil> {
    loop {
        let all = root_directory(top_directory(state)?, "veil", true)?;
        let Some(newest) = generations(&all)?.into_iter().max() else {
            return Err(
                Error::refused("find", "the veil", "it has not been built on this host")
                    .hint("ask the administrator to run `caddis admin refresh` once"),
            );
        };
        let gone = |error: &Error| error.errno == Some(Errno::NOENT);
        let lock = match open_list(&all, newest) {
            Err(error) if gone(&error) => continue,
            other => other?,
        };
        flock(&lock, FlockOperation::LockShared).doing("lock", || "the veil")?;
        if fstat(&lock).doing("stat", || "the veil")?.st_nlink == 0 {
            continue;
        }
        match root_directory(&all, &newest.to_string(), false) {
            Err(error) if gone(&error) => {}
            directory => {
                return Ok(Veil {
                    directory: directory?,
                    lock,
                });
            }
        }
    }
}

fn open_list(all: &OwnedFd, generation: u64) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let name = list_name(generation);
    openat(all, &name, flags, Mode::empty()).doing("open", || name)
}

fn generations(all: &OwnedFd) -> Result<Vec<u64>> {
    Ok(entries(all)?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect())
}

/// Builds the veil again if the base has changed since, and removes generations that nobody uses.
pub fn refresh(policy: &Policy) -> Result<Refreshed> {
    let all = root_directory(top_directory(&policy.storage.state)?, "veil", true)?;
    flock(&all, FlockOperation::LockExclusive).doing("lock", || "the veils")?;
    let plan = VeilPlan {
        entries: scan::scan(policy)?,
    };
    let text = plan.to_string();
    let former = generations(&all)?.into_iter().max();
    let entries = plan.entries.len();
    if let Some(generation) = former
        && crate::start::read_all(&open_list(&all, generation)?)? == text.as_bytes()
    {
        return Ok(Refreshed {
            generation,
            entries,
            built: false,
        });
    }
    let generation = former.unwrap_or(0) + 1;
    let unfinished = format!("{generation}.new");
    tree::remove(&all, &c_name(&unfinished))?;
    write::write(&root_directory(&all, &unfinished, true)?, &plan)?;
    write::file(&all, list_name(generation), text.as_bytes(), 0o600)?;
    renameat_with(
        &all,
        &unfinished,
        &all,
        generation.to_string(),
        RenameFlags::NOREPLACE,
    )
    .doing("rename", || unfinished)
    .map_err(|error| error.hint(write::NEEDS_LOCAL))?;
    remove_unused(&all, generation)?;
    Ok(Refreshed {
        generation,
        entries,
        built: true,
    })
}

fn remove_unused(all: &OwnedFd, newest: u64) -> Result<()> {
    for old in generations(all)?
        .into_iter()
        .filter(|generation| *generation < newest)
    {
        let list = open_list(all, old)?;
        match flock(&list, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                tree::remove(all, &c_name(&old.to_string()))?;
                tree::remove(all, &c_name(&list_name(old)))?;
            }
            Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno).doing("lock", || "an old veil"),
        }
    }
    Ok(())
}

fn list_name(generation: u64) -> String {
    format!("{generation}.list")
}

fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}

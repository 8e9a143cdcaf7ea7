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

/// Opens the newest generation and holds it with a shared lock for as long as the descriptor is open.
pub fn newest(state: &Path) -> Result<OwnedFd> {
    loop {
        let all = root_directory(top_directory(state)?, "veil", true)?;
        let Some(newest) = generations(&all)?.into_iter().max() else {
            return Err(
                Error::refused("find", "the veil", "it has not been built on this host")
                    .hint("ask the administrator to run `caddis admin refresh` once"),
            );
        };
        let veil = match root_directory(&all, &newest.to_string(), false) {
            Err(error) if error.errno == Some(Errno::NOENT) => continue,
            other => other?,
        };
        flock(&veil, FlockOperation::LockShared).doing("lock", || "the veil")?;
        if fstat(&veil).doing("stat", || "the veil")?.st_nlink > 0 {
            return Ok(veil);
        }
    }
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
        && read(&all, &list_name(generation))? == Some(text.clone().into_bytes())
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
    .doing("rename", || unfinished)?;
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
        let directory = root_directory(all, &old.to_string(), false)?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
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

fn read(directory: &OwnedFd, name: &str) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(directory, name, flags, Mode::empty()) {
        Ok(file) => crate::start::read_all(&file).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).doing("open", || name),
    }
}

fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}

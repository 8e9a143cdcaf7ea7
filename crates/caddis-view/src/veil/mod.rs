//! The veil: a small layer above the guard, shared by all environments of a host. Root's tools need
//! some of the files that the guard keeps locked (apt's and dpkg's lock files, `/etc/shadow`,
//! `/root`, ...); the veil puts an empty or harmless twin in the place of each.
//!
//! Security does not hang on it: the guard refuses what is not veiled. So it may lag behind the base.
//!
//! `STATE/veil/N/` is generation N, `N.list` says what is in it, and the highest number counts. Process 1 of an
//! instance holds a shared lock on the generation it uses, so that an old one is removed when nobody does any more.

mod basis;
mod changes;
mod content;
mod packages;
mod plan;
mod scan;
mod write;

pub use changes::Names;
pub use plan::{Entry, Twin, VeilPlan};

use crate::accounts::Accounts;
use crate::error::{Context, Error, Result};
use crate::mountinfo;
use crate::store::{entries, root_directory, top_directory};
use crate::tree;
use caddis_policy::Policy;
use rustix::fs::{FlockOperation, Mode, OFlags, RenameFlags, flock, fstat, openat, renameat_with};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What [`refresh`] is to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The whole base.
    Everything,
    /// What may have changed since the last look: what the veil covers, packages, and some places. The whole base if
    /// there was none, or if the policy, the accounts or the mounts are others now.
    Changes,
    /// What the veil covers, and these.
    At(Names),
}

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
pub fn refresh(policy: &Policy, look: &Look) -> Result<Refreshed> {
    let all = root_directory(top_directory(&policy.storage.state)?, "veil", true)?;
    flock(&all, FlockOperation::LockExclusive).doing("lock", || "the veils")?;
    let former = generations(&all)?.into_iter().max();
    let looked = look_at_base(policy, look, &all, former)?;
    let refreshed = write_newest(&all, former, &looked.plan)?;
    if let Some((basis, time)) = looked.on {
        basis::remember(&all, &basis, time)?;
    }
    Ok(refreshed)
}

/// Makes a new generation if `plan` is not what the newest one, `former`, is.
fn write_newest(all: &OwnedFd, former: Option<u64>, plan: &VeilPlan) -> Result<Refreshed> {
    let text = plan.to_string();
    let entries = plan.entries.len();
    if let Some(generation) = former
        && crate::start::read_all(&open_list(all, generation)?)? == text.as_bytes()
    {
        return Ok(Refreshed {
            generation,
            entries,
            built: false,
        });
    }
    let generation = former.unwrap_or(0) + 1;
    let unfinished = format!("{generation}.new");
    tree::remove(all, &c_name(&unfinished))?;
    write::write(&root_directory(all, &unfinished, true)?, plan)?;
    write::file(all, list_name(generation), text.as_bytes(), 0o600)?;
    renameat_with(
        all,
        &unfinished,
        all,
        generation.to_string(),
        RenameFlags::NOREPLACE,
    )
    .doing("rename", || unfinished)
    .map_err(|error| error.hint(write::NEEDS_LOCAL))?;
    remove_unused(all, generation)?;
    Ok(Refreshed {
        generation,
        entries,
        built: true,
    })
}

/// What came of a look at the base.
struct Looked {
    plan: VeilPlan,
    /// On which basis, and when, if this was all that there was to look at.
    on: Option<(String, changes::Time)>,
}

fn look_at_base(
    policy: &Policy,
    look: &Look,
    all: &OwnedFd,
    former: Option<u64>,
) -> Result<Looked> {
    let accounts = Accounts::read(policy.access.min_uid)?;
    let mounts = mountinfo::read_for(0)?;
    let basis = basis::text(policy, &accounts, &mounts);
    // Before the look, so that nothing falls between this one and the next.
    let now = basis::now();
    let last = former.and_then(|former| Some((former, basis::last_look(all, &basis)?)));
    let covered = |generation: u64| {
        let veils = policy.storage.state.join("veil");
        changes::paths_of(&veils.join(generation.to_string()))
    };
    let mut scan = scan::Scan::new(policy, &accounts, &mounts);
    let complete = match (look, last) {
        (Look::At(names), Some((former, _))) => {
            changes::look_at(&mut scan, covered(former), names);
            false
        }
        (Look::Changes, Some((former, time)))
            if changes::look(&mut scan, covered(former), time).is_ok() =>
        {
            true
        }
        // Also where a package manager did not say what is new.
        _ => {
            scan.everything()?;
            true
        }
    };
    Ok(Looked {
        plan: VeilPlan {
            entries: scan.finish(),
        },
        on: complete.then_some((basis, now)),
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

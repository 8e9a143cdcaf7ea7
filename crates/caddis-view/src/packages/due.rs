//! Finds out whether an environment's package database has to be brought together with the base's.

use super::layer::{Layer, Names};
use super::record::{lines, mark, marks, named, tell, tell_failure, with};
use super::snapshot::Snapshots;
use crate::error::Result;
use crate::store::{Environments, root_directory};
use caddis_packages::Base;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A merge that is due, with all that root has to say to it.
#[derive(Debug)]
pub struct Due {
    pub(super) environment: OwnedFd,
    /// The copies of the base's that the environment's may come from.
    pub(super) marks: Vec<u64>,
    /// The newest one.
    pub(super) number: u64,
    pub(super) then: Vec<Base>,
    pub(super) now: Base,
    pub(super) names: Names,
    pub(super) named: BTreeSet<String>,
}

/// The number of the base's package database as it is now; root's copy of it is made if there is none yet. `None`: the
/// host has none of dpkg's that everybody may read.
pub fn current(state: &Path) -> Result<Option<u64>> {
    Snapshots::open(state)?.current()
}

/// Sees to an environment (its directory is given), and remembers what its database comes from: from the base's of this
/// `number`, which was the current one before the environment's overlays looked at the base. `None`: nothing is due, as
/// nearly always; to find that out costs a few stat(2).
///
/// `runs`: something may run inside.
pub fn see_to(state: &Path, environment: OwnedFd, number: u64, runs: bool) -> Result<Option<Due>> {
    let marks = marks(&environment)?;
    if marks == [number] {
        return Ok(None);
    }
    let layer = Layer::open(&environment)?;
    if layer.is_elsewhere() {
        let reason = "/var/lib/dpkg is not a directory of the environment's own";
        tell_failure(&environment, reason)?;
        return Ok(None);
    }
    if !layer.has_database() {
        // A dpkg that runs there may have read the former one, and has yet to write its own.
        let may_run = runs && layer.has_lock();
        let new = if may_run {
            with(&marks, number)
        } else {
            vec![number]
        };
        tell(&environment, &[])?;
        mark(&environment, &marks, &new)?;
        return Ok(None);
    }
    let snapshots = Snapshots::open(state)?;
    let mut then = Vec::new();
    for mark in &marks {
        then.extend(snapshots.load(*mark)?);
    }
    let Some(now) = snapshots.load(number)? else {
        return Ok(None);
    };
    let mut names = layer.names()?;
    if names.opaque {
        // As if each of the base's had been taken away.
        for name in then.iter().chain([&now]).flat_map(|base| &base.info) {
            names
                .info
                .entry(name.clone())
                .or_insert(caddis_packages::Entry::Whiteout);
        }
    }
    let named = named(&lines(&environment)?);
    Ok(Some(Due {
        environment,
        marks,
        number,
        then,
        now,
        names,
        named,
    }))
}

/// Removes copies of the base's database that no environment comes from.
pub fn remove_unused(state: &Path) -> Result<()> {
    Snapshots::open(state)?.remove_others(|| {
        let mut used = BTreeSet::new();
        for uid in Environments::users(state)? {
            let Some(environments) = Environments::of_anybody(state, uid)? else {
                continue;
            };
            // Copies that are being made as well.
            for name in environments.entries()? {
                if let Ok(environment) = root_directory(environments.directory(), &name, false) {
                    used.extend(marks(&environment)?);
                }
            }
        }
        Ok(used)
    })
}

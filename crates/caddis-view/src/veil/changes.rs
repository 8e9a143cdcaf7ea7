//! Looks only at what may have changed since the last look, so that the cost follows what changed and not what the
//! host has.

use super::packages;
use super::scan::Scan;
use crate::error::Result;
use rustix::fs::Stat;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where services and administrators put what nobody else may read, without any package manager: what is in them
/// is looked at each time.
const SHALLOW: [&str; 11] = [
    "/boot",
    "/etc",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/sbin",
    "/var",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
];

/// How many names of one directory are looked at; one with more holds data.
const MOST: usize = 4096;

/// Paths that somebody saw change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// To be looked at.
    pub changed: BTreeSet<PathBuf>,
    /// Directories that were moved, to be looked at with all that is in them.
    pub moved: BTreeSet<PathBuf>,
}

impl Names {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changed.len() + self.moved.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A time as the kernel gives it to inodes: seconds since 1970, nanoseconds.
pub(super) type Time = (i64, i64);

/// Whether anything about it changed at that time or later: a directory, when names in it came or went. This time is
/// the kernel's own, nobody sets it.
pub(super) fn since(stat: &Stat, time: Time) -> bool {
    let nanoseconds = i64::try_from(stat.st_ctime_nsec).unwrap_or(0);
    (stat.st_ctime, nanoseconds) >= time
}

/// Looks again at `former` paths, at the packages that were installed since `time`, at the [`SHALLOW`] places, and at
/// what is in directories of these that have changed.
pub(super) fn look(scan: &mut Scan<'_>, former: Vec<PathBuf>, time: Time) -> Result<()> {
    let mut pending = former;
    pending.extend(scan.top()?);
    pending.extend(packages::changed(time)?);
    let mut listed = BTreeSet::new();
    for place in SHALLOW.map(PathBuf::from) {
        if scan.reach(&place).is_some() {
            pending.extend(scan.children(&place).into_iter().take(MOST));
            listed.insert(place);
        }
    }
    while let Some(path) = pending.pop() {
        let directory = scan.reach(&path);
        if directory.is_some_and(|one| since(&one, time)) && !listed.contains(&path) {
            pending.extend(scan.children(&path).into_iter().take(MOST));
            listed.insert(path);
        }
    }
    Ok(())
}

/// Looks again at `former` paths and at `names`.
pub(super) fn look_at(scan: &mut Scan<'_>, former: Vec<PathBuf>, names: &Names) {
    for path in &former {
        scan.reach(path);
    }
    for path in &names.changed {
        // What was covered with its directory may have come to light with it.
        if scan.reach(path).is_some() {
            for one in scan.children(path).into_iter().take(MOST) {
                scan.reach(&one);
            }
        }
    }
    for path in &names.moved {
        if scan.reach(path).is_some() {
            scan.all_below(path.clone());
        }
    }
}

/// The paths that a veil, written at `top` in a directory that only root can pass, covers.
pub(super) fn paths_of(top: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut pending = vec![top.to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() && !path.is_symlink() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        }
        if let Ok(relative) = path.strip_prefix(top) {
            paths.push(Path::new("/").join(relative));
        }
    }
    paths
}

//! Finds what the veil has to cover: entries of the base that no ordinary user can read.

use super::content::{policy_rc_d, sudoers, sudoers_include};
use super::{Entry, Twin};
use crate::accounts::Accounts;
use crate::error::{Error, Result};
use crate::mountinfo::Mount;
use caddis_policy::Policy;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where packages put their files. Data directories are left out: root's tools do not need them, and
/// they may be large.
pub(super) const PLACES: [&str; 5] = ["/boot", "/etc", "/root", "/usr", "/var"];

/// What a look at the base has found so far.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    policy: &'a Policy,
    accounts: &'a Accounts,
    /// Where file systems are mounted that are no part of the base: a server's may be large, or not answer.
    passed: BTreeSet<PathBuf>,
    found: BTreeMap<PathBuf, Entry>,
    /// Of paths that were reached by way of all directories above: a directory to look into, or not.
    reached: BTreeMap<PathBuf, Option<Metadata>>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(policy: &'a Policy, accounts: &'a Accounts, mounts: &[Mount]) -> Scan<'a> {
        let local = |mount: &Mount| policy.view.overlay_types.contains(&mount.fstype);
        let passed = mounts
            .iter()
            .filter(|mount| mount.at != Path::new("/") && !local(mount));
        Scan {
            policy,
            accounts,
            passed: passed.map(|mount| mount.at.clone()).collect(),
            found: BTreeMap::new(),
            reached: BTreeMap::new(),
        }
    }

    /// Looks at everything in the [`PLACES`].
    pub(super) fn everything(&mut self) -> Result<()> {
        for path in self.top()? {
            self.all_below(path);
        }
        Ok(())
    }

    /// The [`PLACES`], and what else the root directory's own file system has at its top: `/lost+found`, a
    /// swap file. These are not looked into.
    pub(super) fn top(&self) -> Result<Vec<PathBuf>> {
        let failed = |error| Error::refused("list", "/", error);
        let device = fs::metadata("/").map_err(failed)?.dev();
        let entries = fs::read_dir("/").map_err(failed)?.flatten();
        let entries = entries.filter(|entry| !self.passed.contains(&entry.path()));
        let own = entries.filter(|entry| entry.metadata().is_ok_and(|entry| entry.dev() == device));
        let mut all: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
        all.extend(own.map(|entry| entry.path()));
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Looks at `path` and at all that is below it.
    pub(super) fn all_below(&mut self, path: PathBuf) {
        let mut pending = vec![path];
        while let Some(path) = pending.pop() {
            if self.look(&path).is_some() {
                pending.extend(children(&path));
            }
        }
    }

    /// Looks at `path` unless something above it is covered already. A directory that is to be looked into is
    /// returned.
    pub(super) fn reach(&mut self, path: &Path) -> Option<Metadata> {
        if path == Path::new("/") {
            return fs::symlink_metadata(path).ok();
        }
        if let Some(known) = self.reached.get(path) {
            return known.clone();
        }
        let above = path.parent().and_then(|above| self.reach(above));
        let answer = above.and_then(|_| self.look(path));
        self.reached.insert(path.to_owned(), answer.clone());
        answer
    }

    /// Looks at one path, above which nothing is covered. A directory that is to be looked into is returned.
    fn look(&mut self, path: &Path) -> Option<Metadata> {
        // Before anything is asked about it: a server may not answer.
        if self.passed.contains(path) {
            return None;
        }
        let metadata = fs::symlink_metadata(path).ok()?;
        let view = &self.policy.view;
        let own_place =
            view.private.iter().any(|one| one == path) || view.memory.iter().any(|one| one == path);
        if own_place || metadata.is_symlink() {
            return None;
        }
        let veiled = hidden_from_all(path, &metadata, self.accounts);
        if let Some(twin) = veiled.then(|| twin(path, &metadata)).flatten() {
            self.found
                .insert(path.to_owned(), entry(path, twin, &metadata));
            return None;
        }
        let inside = PLACES.iter().any(|place| path.starts_with(place));
        (metadata.is_dir() && !veiled && inside).then_some(metadata)
    }

    /// What was found, with all that a veil has besides.
    pub(super) fn finish(mut self) -> Vec<Entry> {
        add_helpful_files(&mut self.found);
        add_directories(&mut self.found);
        self.found.into_values().collect()
    }
}

/// What is in a directory. One that cannot be listed, or is gone again, is left to the guard.
pub(super) fn children(path: &Path) -> impl Iterator<Item = PathBuf> {
    let list = fs::read_dir(path).into_iter().flatten();
    list.flatten().map(|one| one.path())
}

/// Neither everybody, nor an ordinary user as the owner or as a member of the group, nor anybody by
/// an access control list can read it.
fn hidden_from_all(path: &Path, metadata: &Metadata, accounts: &Accounts) -> bool {
    let wanted = if metadata.is_dir() { 0o5 } else { 0o4 };
    let others = metadata.mode() & wanted == wanted;
    // A directory that everybody may pass through is of use as it is. (A program that may be executed but not
    // read is not: overlayfs opens what it executes for reading.)
    let of_use = metadata.is_dir() && metadata.mode() & 0o1 != 0;
    let group = metadata.mode() & (wanted << 3) == wanted << 3
        && accounts.group_has_ordinary_members(metadata.gid());
    let owner = accounts.is_ordinary(metadata.uid());
    !(others || of_use || group || owner || has_acl(path))
}

fn has_acl(path: &Path) -> bool {
    rustix::fs::lgetxattr(path, c"system.posix_acl_access", &mut [0_u8; 0][..]).is_ok()
}

fn twin(path: &Path, metadata: &Metadata) -> Option<Twin> {
    if path == Path::new("/etc/sudoers") {
        Some(Twin::File(sudoers()))
    } else if metadata.is_dir() {
        Some(Twin::Empty)
    } else if metadata.is_file() {
        Some(Twin::Whiteout)
    } else {
        None
    }
}

fn entry(path: &Path, twin: Twin, metadata: &Metadata) -> Entry {
    Entry {
        path: path.to_owned(),
        twin,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mode: metadata.mode() & 0o7777,
    }
}

/// sudo without a password for the environment's user, also where sudo is installed later; and no
/// daemons started behind the user's back by a package's installation.
fn add_helpful_files(found: &mut BTreeMap<PathBuf, Entry>) {
    let mut add = |path: &str, twin, mode| {
        let path = PathBuf::from(path);
        found.insert(
            path.clone(),
            Entry {
                path,
                twin,
                uid: 0,
                gid: 0,
                mode,
            },
        );
    };
    let directory = Path::new("/etc/sudoers.d");
    if !directory.exists() {
        add("/etc/sudoers.d", Twin::Empty, 0o755);
    }
    add(
        "/etc/sudoers.d/caddis",
        Twin::File(sudoers_include()),
        0o440,
    );
    let has_rc = Path::new("/usr/sbin/invoke-rc.d").exists();
    if has_rc && !Path::new("/usr/sbin/policy-rc.d").exists() {
        add("/usr/sbin/policy-rc.d", Twin::File(policy_rc_d()), 0o755);
    }
}

/// The directories above the entries: the merged directory gets its owner and mode from the veil, so
/// the veil's gets them from the base's.
fn add_directories(found: &mut BTreeMap<PathBuf, Entry>) {
    let paths: Vec<PathBuf> = found.keys().cloned().collect();
    for path in paths {
        for above in path.ancestors().skip(1) {
            if found.contains_key(above) {
                continue;
            }
            if let Ok(metadata) = fs::metadata(above) {
                found.insert(above.to_owned(), entry(above, Twin::Directory, &metadata));
            }
        }
    }
}

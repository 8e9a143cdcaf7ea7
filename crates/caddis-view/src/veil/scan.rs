//! Finds what the veil has to cover: entries of the base that no ordinary user can read.

use super::content::{policy_rc_d, sudoers, sudoers_include};
use super::{Entry, Twin};
use crate::accounts::Accounts;
use crate::error::{Error, Result};
use crate::mountinfo;
use caddis_policy::Policy;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where packages put their files. Data directories are left out: root's tools do not need them, and
/// they may be large.
const PLACES: [&str; 5] = ["/boot", "/etc", "/root", "/usr", "/var"];

/// The entries of a veil for this host.
pub(super) fn scan(policy: &Policy) -> Result<Vec<Entry>> {
    let accounts = Accounts::read(policy.access.min_uid)?;
    let mut found = BTreeMap::new();
    let passed = passed_mounts(policy)?;
    let mut pending = top(&passed)?;
    while let Some(path) = pending.pop() {
        // Before anything is asked about it: a server may not answer.
        if passed.contains(&path) {
            continue;
        }
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let own_place = policy.view.private.contains(&path) || policy.view.memory.contains(&path);
        if own_place || metadata.is_symlink() {
            continue;
        }
        let veiled = hidden_from_all(&path, &metadata, &accounts);
        if let Some(twin) = veiled.then(|| twin(&path, &metadata)).flatten() {
            found.insert(path.clone(), entry(&path, twin, &metadata));
        } else if metadata.is_dir() && !veiled && PLACES.iter().any(|place| path.starts_with(place))
        {
            // One that cannot be listed, or is gone again, is left to the guard.
            let list = fs::read_dir(&path).into_iter().flatten();
            pending.extend(list.flatten().map(|one| one.path()));
        }
    }
    add_helpful_files(&mut found);
    add_directories(&mut found);
    Ok(found.into_values().collect())
}

/// Where file systems are mounted that are no part of the base: a server's may be large, or not answer.
fn passed_mounts(policy: &Policy) -> Result<BTreeSet<PathBuf>> {
    let path = "/proc/self/mountinfo";
    let table = fs::read(path).map_err(|error| Error::refused("read", path, error))?;
    let mounts = mountinfo::parse(&table).into_iter();
    Ok(mounts
        .filter(|mount| {
            mount.at != Path::new("/") && !policy.view.overlay_types.contains(&mount.fstype)
        })
        .map(|mount| mount.at)
        .collect())
}

/// The [`PLACES`], and what else the root directory's own file system has at its top: `/lost+found`, a
/// swap file. These are not looked into.
fn top(passed: &BTreeSet<PathBuf>) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::refused("list", "/", error);
    let device = fs::metadata("/").map_err(failed)?.dev();
    let entries = fs::read_dir("/").map_err(failed)?.flatten();
    let entries = entries.filter(|entry| !passed.contains(&entry.path()));
    let own = entries.filter(|entry| entry.metadata().is_ok_and(|entry| entry.dev() == device));
    let mut all: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
    all.extend(own.map(|entry| entry.path()));
    all.sort();
    all.dedup();
    Ok(all)
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

//! Finds what the veil has to cover: entries of the base that no ordinary user can read.
//!
//! Users own directories below `/var` and elsewhere, and exchange what is in them while root looks.
//! So everything is looked at by descriptor ([`Local`]): what was checked is what is listed, and a
//! link or a mount of a user's leads nowhere. Some directories are not entered:
//!
//! - those that not everybody may pass. The guard refuses every name in there alike; were some of
//!   them covered, container root could tell which names exist.
//! - those of ordinary users, and those in which everybody may make files, such as
//!   `/var/lib/php/sessions`. Root's tools need nothing of these, and a user could fill one so that
//!   a scan does not end.

use super::content::{policy_rc_d, sudoers, sudoers_include};
use super::{Entry, Twin};
use crate::accounts::Accounts;
use crate::error::{Context, Result};
use crate::mountinfo::Mount;
use crate::tree::{Local, mount_of, path_of};
use caddis_policy::Policy;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, StatxFlags, fstat, getxattr, statx};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where packages put their files. Data directories are left out: root's tools do not need them, and
/// they may be large.
pub(super) const PLACES: [&str; 5] = ["/boot", "/etc", "/root", "/usr", "/var"];

/// So many names are read of one directory: members of a group can fill one of root's, too.
const MOST: usize = 100_000;

/// What a look at the base has found so far.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    policy: &'a Policy,
    accounts: &'a Accounts,
    local: Local,
    /// Where file systems are mounted that are no part of the base: a server's may be large, or not answer.
    passed: BTreeSet<PathBuf>,
    found: BTreeMap<PathBuf, Entry>,
    /// Of paths that were reached by way of all directories above: a directory to look into, or not.
    reached: BTreeMap<PathBuf, Option<Stat>>,
}

impl<'a> Scan<'a> {
    /// `mounts` is the mount table as far as it concerns root.
    pub(super) fn new(policy: &'a Policy, accounts: &'a Accounts, mounts: &[Mount]) -> Scan<'a> {
        let types = &policy.view.overlay_types;
        let part = |mount: &&Mount| mount.fuse_user.is_none() && types.contains(&mount.fstype);
        let passed = mounts
            .iter()
            .filter(|mount| mount.at != Path::new("/") && !part(mount));
        Scan {
            policy,
            accounts,
            local: Local::new(mounts, types),
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
        let root = self.local.root(Path::new("/")).doing("open", || "/")?;
        let own = mount_of(root).doing("statx", || "/")?;
        let on_it = |path: &PathBuf| {
            let flags =
                AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
            let name = path.file_name().unwrap_or_default();
            !self.passed.contains(path)
                && statx(root, name, flags, StatxFlags::MNT_ID)
                    .is_ok_and(|stat| stat.stx_mnt_id == own)
        };
        let mut all: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
        let entries = self.list(Path::new("/")).doing("list", || "/")?;
        all.extend(entries.into_iter().filter(on_it));
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Looks at `path` and at all that is below it.
    pub(super) fn all_below(&mut self, path: PathBuf) {
        let mut pending = vec![path];
        while let Some(path) = pending.pop() {
            if self.look(&path).is_some() {
                pending.extend(self.children(&path));
            }
        }
    }

    /// The content of a directory that the scan enters. One that cannot be listed, or has been
    /// removed, is left to the guard.
    pub(super) fn children(&self, path: &Path) -> Vec<PathBuf> {
        self.list(path).unwrap_or_default()
    }

    fn list(&self, path: &Path) -> std::result::Result<Vec<PathBuf>, Errno> {
        let directory = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        // It may be another one by now than the one that was looked at.
        if !self.is_entered(path, &fstat(&directory)?) {
            return Ok(Vec::new());
        }
        let entries = Dir::new(directory)?.flatten();
        let names = entries.filter(|entry| ![c".", c".."].contains(&entry.file_name()));
        let path_of = |name: &[u8]| path.join(OsStr::from_bytes(name));
        Ok(names
            .take(MOST)
            .map(|entry| path_of(entry.file_name().to_bytes()))
            .collect())
    }

    fn open(&self, path: &Path, flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
        self.local.open(path, flags)
    }

    /// Looks at `path` unless something above it is covered already. A directory that is to be looked into is
    /// returned.
    pub(super) fn reach(&mut self, path: &Path) -> Option<Stat> {
        if path == Path::new("/") {
            return fstat(self.local.root(path).ok()?).ok();
        }
        if let Some(known) = self.reached.get(path) {
            return *known;
        }
        let above = path.parent().and_then(|above| self.reach(above));
        let answer = above.and_then(|_| self.look(path));
        self.reached.insert(path.to_owned(), answer);
        answer
    }

    /// Looks at one path, above which nothing is covered. A directory that is to be looked into is returned.
    fn look(&mut self, path: &Path) -> Option<Stat> {
        // Before anything is asked about it: a server may not answer.
        if self.passed.contains(path) {
            return None;
        }
        let file = self.open(path, OFlags::PATH).ok()?;
        let stat = fstat(&file).ok()?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let view = &self.policy.view;
        let own_place =
            view.private.iter().any(|one| one == path) || view.memory.iter().any(|one| one == path);
        if own_place || kind == FileType::Symlink {
            return None;
        }
        let veiled = hidden_from_all(&file, &stat, self.accounts);
        if let Some(twin) = veiled.then(|| twin(path, kind)).flatten() {
            self.found.insert(path.to_owned(), entry(path, twin, &stat));
            return None;
        }
        (!veiled && self.is_entered(path, &stat)).then_some(stat)
    }

    /// Whether this is a directory that is to be looked into.
    fn is_entered(&self, path: &Path, stat: &Stat) -> bool {
        let inside = PLACES.iter().any(|place| path.starts_with(place)) || path == Path::new("/");
        inside
            && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            && stat.st_mode & 0o003 == 0o001
            && !self.accounts.is_ordinary(stat.st_uid)
    }

    /// What was found, with all that a veil has besides.
    pub(super) fn finish(mut self) -> Vec<Entry> {
        self.add_helpful_files();
        self.add_directories();
        self.found.into_values().collect()
    }

    fn exists(&self, path: &str) -> bool {
        !matches!(
            self.open(Path::new(path), OFlags::PATH),
            Err(Errno::NOENT | Errno::NOTDIR)
        )
    }

    /// sudo without a password for the environment's user, also where sudo is installed later; and
    /// no daemons started behind the user's back by a package's installation.
    fn add_helpful_files(&mut self) {
        let mut helpful = Vec::new();
        if !self.exists("/etc/sudoers.d") {
            helpful.push(("/etc/sudoers.d", Twin::Empty, 0o755));
        }
        let include = Twin::File(sudoers_include());
        helpful.push(("/etc/sudoers.d/caddis", include, 0o440));
        if self.exists("/usr/sbin/invoke-rc.d") && !self.exists("/usr/sbin/policy-rc.d") {
            helpful.push(("/usr/sbin/policy-rc.d", Twin::File(policy_rc_d()), 0o755));
        }
        for (path, twin, mode) in helpful {
            let path = PathBuf::from(path);
            let entry = Entry {
                path: path.clone(),
                twin,
                uid: 0,
                gid: 0,
                mode,
            };
            self.found.insert(path, entry);
        }
    }

    /// The directories above the entries: the merged directory gets its owner and mode from the
    /// veil, so the veil takes them from the base.
    fn add_directories(&mut self) {
        let paths: Vec<PathBuf> = self.found.keys().cloned().collect();
        let mut gone = Vec::new();
        for path in paths {
            for above in path.ancestors().skip(1) {
                if self.found.contains_key(above) {
                    continue;
                }
                let stat = self.open(above, OFlags::PATH).and_then(fstat);
                match stat {
                    Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                        let entry = entry(above, Twin::Directory, &stat);
                        self.found.insert(above.to_owned(), entry);
                    }
                    // Exchanged meanwhile.
                    _ => gone.push(above.to_owned()),
                }
            }
        }
        self.found
            .retain(|path, _| !gone.iter().any(|gone| path.starts_with(gone)));
    }
}

/// Neither everybody, nor an ordinary user as the owner or as a member of the group, nor anybody by
/// an access control list can read it.
fn hidden_from_all(file: &OwnedFd, stat: &Stat, accounts: &Accounts) -> bool {
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let wanted = if directory { 0o5 } else { 0o4 };
    let others = stat.st_mode & wanted == wanted;
    // A directory that everybody may pass through is of use as it is. (A program that may be executed but not
    // read is not: overlayfs opens what it executes for reading.)
    let of_use = directory && stat.st_mode & 0o1 != 0;
    let group = stat.st_mode & (wanted << 3) == wanted << 3
        && accounts.group_has_ordinary_members(stat.st_gid);
    let owner = accounts.is_ordinary(stat.st_uid);
    !(others || of_use || group || owner || has_acl(file))
}

fn has_acl(file: &OwnedFd) -> bool {
    // By its number: the very file, whatever has its name now.
    getxattr(
        path_of(file),
        c"system.posix_acl_access",
        &mut [0_u8; 0][..],
    )
    .is_ok()
}

fn twin(path: &Path, kind: FileType) -> Option<Twin> {
    if path == Path::new("/etc/sudoers") {
        return Some(Twin::File(sudoers()));
    }
    match kind {
        FileType::Directory => Some(Twin::Empty),
        FileType::RegularFile => Some(Twin::Whiteout),
        _ => None,
    }
}

fn entry(path: &Path, twin: Twin, stat: &Stat) -> Entry {
    Entry {
        path: path.to_owned(),
        twin,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & 0o7777,
    }
}

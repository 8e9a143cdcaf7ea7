//! Environments on disk: `STATE/env/UID/NAME/`, root's alone. The changes in there carry the ids of
//! the host as they are, root's setuid files too, so nobody else may ever reach them by a path.

use crate::account::{Account, Claim, Local, Note, UNFINISHED};
use crate::credentials::{as_writer, give_to_root};
use crate::error::{Context, Error, Result};
use crate::instance::{lock_deadline, lock_within_reason};
use crate::packages;
use crate::plan::upper_name;
use crate::replace::remove_unfinished;
use crate::tree;
use crate::trial::TRY;
use caddis_policy::EnvName;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, Timestamps, chmodat, chownat,
    flock, fstat, mkdirat, open, openat, openat2, renameat_with, statat, utimensat,
};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::{Gid, Uid};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the directory `name` inside `parent`, made by root, mode 0700, if it does not exist.
pub fn root_directory(parent: impl AsFd, name: &str, create: bool) -> Result<OwnedFd> {
    let parent = parent.as_fd();
    let flags = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let open = || openat2(parent, name, DIRECTORY, Mode::empty(), flags);
    let opened = match open() {
        Err(Errno::NOENT) if create => {
            match mkdirat(parent, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).doing("create the directory", || name),
            }
            open()
        }
        other => other,
    };
    opened.doing("open the directory", || name)
}

/// Opens a top directory of ours (`/var/lib/caddis`, `/run/caddis`) and makes sure that it is
/// root's alone: whoever could write there would own every environment.
pub fn top_directory(path: &Path) -> Result<OwnedFd> {
    let opened = match open(path, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => {
            match rustix::fs::mkdir(path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).doing("create", || path.display()),
            }
            open(path, DIRECTORY, Mode::empty())
        }
        other => other,
    };
    let directory = opened.doing("open", || path.display())?;
    let stat = fstat(&directory).doing("stat", || path.display())?;
    if stat.st_uid != 0 || stat.st_mode & 0o077 != 0 {
        let reason = "it must belong to root and be closed to everybody else";
        return Err(Error::refused("use", path.display(), reason)
            .hint(format!("chown root: {0} && chmod 700 {0}", path.display())));
    }
    Ok(directory)
}

/// The directory of all users' environments.
pub fn environments(state: &Path) -> Result<OwnedFd> {
    root_directory(top_directory(state)?, "env", true)
}

/// How copies that are not complete, and environments that are being removed, are named until then. No
/// environment's name begins with a dot.
const COPY: &str = ".copy-";
pub(crate) const REMOVED: &str = ".removed-";

/// How often an environment is made that is removed at the same moment.
const TRIES: u32 = 5;

/// The environments of one user.
#[derive(Debug)]
pub struct Environments {
    pub(crate) directory: OwnedFd,
}

/// What `list` tells about an environment.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The disk space of its changes, in bytes.
    pub bytes: u64,
    /// When it was used last, in seconds since 1970; 0: never.
    pub used: u64,
}

impl Environments {
    /// Opens the environments of the account that has the number `uid` now, below the state
    /// directory; `None`: it has none and `create` is not set. Environments of an account that had
    /// the number before are neither opened nor shown.
    pub fn of(state: &Path, uid: u32, create: bool) -> Result<Option<Environments>> {
        let local = Local::settled(uid);
        let found = Environments::of_anybody(state, uid)?;
        let is_new = found.is_none();
        let note = match &found {
            Some(found) => Note::read(&found.directory)?,
            None => None,
        };
        let claim = Claim::judge(note.as_ref().map(|note| &note.account), &local);
        let found = match (found, &claim) {
            (None, _) if !create => return Ok(None),
            (Some(_), Claim::Former | Claim::Gone) if !create => return Ok(None),
            (_, Claim::Former | Claim::Gone) => return Err(of_another(uid)),
            (None, Claim::Unknown) => return Err(no_account(uid)),
            (Some(_), Claim::Unknown) if note.is_some() => return Err(unclear(uid)),
            (Some(_), Claim::Unknown) if create => return Err(no_account(uid)),
            (None, _) => Environments::make(state, uid)?,
            (Some(found), _) => found,
        };
        if let Claim::New(account) = &claim {
            match account.note(&found.directory) {
                // No room, for one. They are there and can be used; it is noted the next time.
                Err(_) if !is_new => {}
                other => other?,
            }
        }
        Ok(Some(found))
    }

    /// Opens the environments of the number `uid`, of whatever account: for root, who manages them.
    pub fn of_anybody(state: &Path, uid: u32) -> Result<Option<Environments>> {
        let open = || {
            let all = root_directory(top_directory(state)?, "env", false)?;
            root_directory(all, &uid.to_string(), false)
        };
        match open() {
            Ok(directory) => Ok(Some(Environments { directory })),
            Err(error) if error.errno == Some(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The environments of `uid` that a caller may see: root all of them, others their own.
    pub fn seen(state: &Path, uid: u32, by_root: bool) -> Result<Option<Environments>> {
        match by_root {
            true => Environments::of_anybody(state, uid),
            false => Environments::of(state, uid, false),
        }
    }

    /// Makes the directory for those of `uid`.
    pub(crate) fn make(state: &Path, uid: u32) -> Result<Environments> {
        let directory = root_directory(environments(state)?, &uid.to_string(), true)?;
        Ok(Environments { directory })
    }

    /// Makes it for an account that is not in the local files.
    pub fn claim(state: &Path, uid: u32, account: &Account) -> Result<()> {
        account.note(&Environments::make(state, uid)?.directory)
    }

    /// Whose they are noted to be.
    pub fn note(&self) -> Result<Option<Note>> {
        Note::read(&self.directory)
    }

    /// The users that have environments.
    pub fn users(state: &Path) -> Result<Vec<u32>> {
        let all = environments(state)?;
        let mut users: Vec<u32> = entries(&all)?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        users.sort_unstable();
        Ok(users)
    }

    /// Their names, sorted.
    pub fn names(&self) -> Result<Vec<EnvName>> {
        let mut names: Vec<EnvName> = entries(&self.directory)?
            .iter()
            .filter_map(|name| EnvName::parse(name.as_bytes()).ok())
            .collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(names)
    }

    /// The names of all entries, copies that are being made and what else there is among them.
    pub(crate) fn entries(&self) -> Result<Vec<String>> {
        entries(&self.directory)
    }

    /// The directory that they are in.
    #[must_use]
    pub fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Opens one; `None`: there is none of that name.
    pub fn open(&self, name: &EnvName) -> Result<Option<OwnedFd>> {
        match root_directory(&self.directory, name.as_str(), false) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if error.errno == Some(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an environment, unless the user has `most` already. `false`: the name is taken.
    pub fn create(&self, name: &EnvName, most: u32) -> Result<bool> {
        // As nearly always.
        if statat(&self.directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(false);
        }
        let _room = self.room_for(name, most)?;
        // Under another name first: a process that is killed must not leave a directory that is not
        // root's.
        let flags = RenameFlags::NOREPLACE;
        match self.complete_or_not_at_all(name, flags, |_| Ok(())) {
            Err(error) if error.errno == Some(Errno::EXIST) => return Ok(false),
            Err(error) => {
                let error = error.with_operation("create the environment");
                return Err(error.with_object(name));
            }
            Ok(()) => {}
        }
        // The time of the directory's last change says when the environment was used: never yet.
        match self.set_used(name, 0) {
            // Removed again by somebody else.
            Err(error) if error.errno == Some(Errno::NOENT) => Ok(true),
            other => other.map(|()| true),
        }
    }

    /// Whether another environment, `name`, is allowed. While the returned lock lives, no other
    /// process makes one.
    fn room_for(&self, name: &EnvName, most: u32) -> Result<OwnedFd> {
        let lock = openat(&self.directory, ".", DIRECTORY, Mode::empty())
            .doing("open", || "the environments of the user")?;
        lock_within_reason(&lock, name.as_str(), lock_deadline())?;
        if self.names()?.len() < usize::try_from(most).unwrap_or(usize::MAX) {
            return Ok(lock);
        }
        let reason = format!("the limit of {most} for each user is reached");
        Err(Error::refused("create the environment", name, reason).hint(
            "`caddis list` shows them, `caddis remove NAME` removes one; the administrator decides how many \
             (`storage.environments`)",
        ))
    }

    /// Makes `name` a copy of `from`, complete or not at all, unless the user has `most`
    /// environments already.
    pub fn copy(&self, from: &EnvName, name: &EnvName, most: u32) -> Result<()> {
        if self.open(name)?.is_some() {
            return Err(Error::refused(
                "create the environment",
                name,
                "it exists already",
            ));
        }
        let source = self.open(from)?.ok_or_else(|| missing(from))?;
        // Before the work, and again when it is done.
        drop(self.room_for(name, most)?);
        let mut room = None;
        self.complete_or_not_at_all(name, RenameFlags::NOREPLACE, |target| {
            packages::copy_mark(&source, target)?;
            for entry in entries(&source)? {
                if entry == TRY {
                    // Nobody has decided yet whether it belongs to the environment.
                } else if entry.ends_with(WORK) {
                    // Overlayfs' own scratch space; that it exists says that its upper directory is complete.
                    make_directory(target, &entry)?;
                } else {
                    tree::copy(&source, target, &c_name(&entry))?;
                }
            }
            room = Some(self.room_for(name, most)?);
            Ok(())
        })?;
        drop(room);
        self.set_used(name, 0)
    }

    /// A new locked directory of the name `unfinished`. `None`: another process removed it before
    /// it was locked.
    fn make_locked(&self, unfinished: &CStr) -> Result<Option<OwnedFd>> {
        let make = || {
            make_directory(&self.directory, unfinished)?;
            openat(&self.directory, unfinished, DIRECTORY, Mode::empty())
                .doing("open", || "the copy")
        };
        let target = match make() {
            Err(error) if error.errno == Some(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        // A process that takes it for a leftover may be frozen by its user, and others wait for us.
        lock_within_reason(&target, &unfinished.to_string_lossy(), lock_deadline())?;
        let is_there = fstat(&target).doing("stat", || "the copy")?.st_nlink > 0;
        Ok(is_there.then_some(target))
    }

    /// Has `fill` fill a directory that then gets `name` by a rename with `flags`.
    pub(crate) fn complete_or_not_at_all(
        &self,
        name: &EnvName,
        flags: RenameFlags,
        fill: impl FnOnce(&OwnedFd) -> Result<()>,
    ) -> Result<()> {
        let unfinished = c_name(&format!("{COPY}{}-{name}", std::process::id()));
        tree::remove(&self.directory, &unfinished)?;
        let made = as_writer(|| {
            // Until it is locked, another process may take it for a leftover and remove it.
            let make = || self.make_locked(&unfinished);
            let target = (0..TRIES).find_map(|_| make().transpose());
            let target =
                target.unwrap_or_else(|| Err(Errno::NOENT).doing("create", || "the copy"))?;
            fill(&target)?;
            renameat_with(
                &self.directory,
                &unfinished,
                &self.directory,
                name.as_str(),
                flags,
            )
            .doing("create the environment", || name)
        });
        if made.is_err() {
            let _ = tree::remove(&self.directory, &unfinished);
        }
        made
    }

    /// Removes one, in two steps: a rename that takes it away at once, then its files. What a killed
    /// removal left is removed with the next one.
    pub fn remove(&self, name: &EnvName) -> Result<()> {
        let gone = c_name(&format!("{REMOVED}{}-{name}", std::process::id()));
        renameat_with(
            &self.directory,
            name.as_str(),
            &self.directory,
            &gone,
            RenameFlags::NOREPLACE,
        )
        .doing("remove the environment", || name)?;
        self.remove_leftovers()
    }

    /// Removes what killed removals and copies left behind. A copy that is still being made is locked.
    pub fn remove_leftovers(&self) -> Result<()> {
        remove_unfinished(&self.directory, UNFINISHED)?;
        for entry in entries(&self.directory)? {
            let copy = entry.starts_with(COPY);
            if !copy && !entry.starts_with(REMOVED) && !entry.starts_with(tree::MOVED_UP) {
                continue;
            }
            let lock = match root_directory(&self.directory, &entry, false) {
                Err(error) if error.errno == Some(Errno::NOENT) => continue,
                other => other?,
            };
            if !copy || flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                tree::remove(&self.directory, &c_name(&entry))?;
            }
        }
        Ok(())
    }

    /// Space and time of last use.
    pub fn usage(&self, name: &EnvName) -> Result<Usage> {
        let c_name = c_name(name.as_str());
        let stat = statat(&self.directory, &c_name, AtFlags::SYMLINK_NOFOLLOW)
            .doing("stat the environment", || name)?;
        Ok(Usage {
            bytes: tree::disk_usage(&self.directory, &c_name)?,
            used: u64::try_from(stat.st_mtime).unwrap_or(0),
        })
    }

    /// The one that was used last; `None`: none ever was.
    pub fn used_last(&self) -> Result<Option<EnvName>> {
        let mut last = None;
        for name in self.names()? {
            // One that has just been removed is not it.
            let Ok(stat) = statat(&self.directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let used = (stat.st_mtime, stat.st_mtime_nsec);
            if stat.st_mtime > 0 && last.as_ref().is_none_or(|(latest, _)| used > *latest) {
                last = Some((used, name));
            }
        }
        Ok(last.map(|(_, name)| name))
    }

    /// Remembers that the environment is used now.
    pub fn touch(&self, name: &EnvName) -> Result<()> {
        self.set_used(name, rustix::fs::UTIME_NOW)
    }

    fn set_used(&self, name: &EnvName, nanoseconds: rustix::fs::Nsecs) -> Result<()> {
        let time = rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: nanoseconds,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        utimensat(
            &self.directory,
            name.as_str(),
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .doing("set the time of", || name)
    }
}

/// The environments of a number belong to an account that had it before.
fn of_another(uid: u32) -> Error {
    Error::refused(
        "use",
        format!("the environments of user {uid}"),
        "they belong to an account that had this number before",
    )
    .hint("the administrator can set them aside with `caddis admin refresh`")
}

/// The environments have an owner, and nobody can say whether that account still has the number.
#[must_use]
pub fn unclear(uid: u32) -> Error {
    let reason =
        "/etc/passwd is not complete or not root's alone, so it is not known whose they are";
    Error::refused("use", format!("the environments of user {uid}"), reason).hint(
        "/etc/passwd must have a line for root and end with a newline, belong to root, and be \
         writable by nobody else; or `getent passwd` must print the account",
    )
}

/// Nobody can say who has a number.
#[must_use]
pub fn no_account(uid: u32) -> Error {
    Error::refused(
        "find out",
        format!("whose the environments of user {uid} are"),
        "no account with this number is found",
    )
    .hint(format!("`getent passwd {uid}` must print its line"))
}

/// There is no environment of that name.
#[must_use]
pub fn missing(name: &EnvName) -> Error {
    Error::refused(
        "find the environment",
        format!("\"{name}\""),
        "there is none of that name",
    )
    .hint("`caddis list` shows yours, `caddis new NAME` makes one")
}

/// Makes a directory of root's in an environment, or beside it, on the user's account.
pub fn make_directory(parent: impl AsFd, name: impl Arg) -> Result<()> {
    let shown = name.to_string_lossy().into_owned();
    let name = name.into_c_str().doing("name", || &shown)?;
    as_writer(|| {
        mkdirat(&parent, &*name, Mode::RWXU)
            .and_then(|()| give_to_root(&parent, &*name))
            .doing("create", || shown)
    })
}

/// How overlayfs' scratch space beside an upper directory ends.
pub const WORK: &str = ".work";

/// The names of the upper and the work directory for the file system at `at`, both made if they do
/// not exist. The upper directory is the root of the merged one, so it gets the owner and mode of
/// `base`.
pub fn layer_directories(
    environment: impl AsFd,
    at: &Path,
    base: &OwnedFd,
) -> Result<(String, String)> {
    let environment = environment.as_fd();
    let (upper, work) = layer_names(at);
    let make = |name: &str| match make_directory(environment, name) {
        // A process may have been killed after it made the directory and before it gave it to root.
        Err(error) if error.errno == Some(Errno::EXIST) => {
            give_to_root(environment, name).doing("chown", || name)
        }
        other => other,
    };
    // The work directory is made last: where it exists and is root's, both are complete.
    let found = statat(environment, &work, AtFlags::SYMLINK_NOFOLLOW);
    if !found.is_ok_and(|work| work.st_uid == 0) {
        let base = fstat(base).doing("stat", || at.display())?;
        make(&upper)?;
        let (uid, gid) = (Uid::from_raw(base.st_uid), Gid::from_raw(base.st_gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        chownat(environment, &upper, Some(uid), Some(gid), flags).doing("chown", || &upper)?;
        let mode = Mode::from_raw_mode(base.st_mode);
        chmodat(environment, &upper, mode, AtFlags::empty()).doing("chmod", || &upper)?;
        make(&work)?;
    }
    Ok((upper, work))
}

/// The names of the upper and the work directory for the file system at `at`.
pub(crate) fn layer_names(at: &Path) -> (String, String) {
    let upper = upper_name(at);
    let work = format!("{upper}{WORK}");
    (upper, work)
}

/// The names of a directory's entries, those that are text.
pub fn entries(directory: impl AsFd) -> Result<Vec<String>> {
    let names = tree::names(directory).doing("list", || "a directory")?;
    let text = |(name, _): (CString, _)| name.into_string().ok();
    Ok(names.into_iter().filter_map(text).collect())
}

/// Names that were read from a directory, or checked, hold no NUL.
pub(crate) fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}

//! Environments on disk: `STATE/env/UID/NAME/`, root's alone. The changes in there carry the ids of
//! the host as they are, root's setuid files too, so nobody else may ever reach them by a path.

use crate::account::{Account, Claim, Local, Note};
use crate::error::{Context, Error, Result};
use crate::tree;
use caddis_policy::EnvName;
use rustix::fs::{
    AtFlags, Mode, OFlags, ResolveFlags, Timestamps, fstat, mkdirat, open, openat2, statat,
    utimensat,
};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
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
                // No room, for one. They can be looked at; it is noted the next time. Nothing is made
                // or started without a note: the next account with the number would get it.
                Err(_) if !create => {}
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

    pub(crate) fn set_used(&self, name: &EnvName, nanoseconds: rustix::fs::Nsecs) -> Result<()> {
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

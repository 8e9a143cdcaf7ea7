//! Environments are made, copied and removed: each whole, or not at all.

use crate::account::UNFINISHED;
use crate::credentials::as_writer;
use crate::error::{Context, Error, Result};
use crate::layer_directories::{WORK, make_directory};
use crate::lock::{lock_deadline, lock_within_reason};
use crate::packages;
use crate::replace::remove_unfinished;
use crate::store::{DIRECTORY, Environments, c_name, entries, missing, root_directory};
use crate::tree;
use crate::trial::TRY;
use caddis_policy::EnvName;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, RenameFlags, flock, fstat, openat, renameat_with, statat,
};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::OwnedFd;

/// How copies that are not complete, and environments that are being removed, are named until then. No
/// environment's name begins with a dot.
const COPY: &str = ".copy-";
pub(crate) const REMOVED: &str = ".removed-";

/// How often an environment is made that is removed at the same moment.
const TRIES: u32 = 5;

impl Environments {
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
}

//! Tries: what is changed in one goes into a layer of its own above the changes of the environment, which
//! only its user's word makes part of them. That layer is a directory inside of the environment's, so
//! whatever takes the environment away or replaces it takes the try along.

use crate::credentials::as_writer;
use crate::error::{Context, Error, Result};
use crate::layer_directories::{layer_directories, layer_names, make_directory};
use crate::making::REMOVED;
use crate::overlayfs;
use crate::packages;
use crate::store::{Environments, c_name, missing, root_directory};
use crate::tree;
use caddis_policy::EnvName;
use rustix::fs::{AtFlags, RenameFlags, renameat_with, statat};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The layers of a try of which nobody has said yet whether they are to be kept.
pub const TRY: &str = "try";

/// Those of one that is to be kept. What uses the environment next does that first.
pub const KEPT: &str = "keep";

/// What an environment has of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// It goes on, or waits for a word.
    Undecided,
    /// It is to become part of the environment.
    Kept,
}

impl Environments {
    /// The try of an environment, if there is one.
    pub fn trial(&self, name: &EnvName) -> Result<Option<Trial>> {
        for (entry, trial) in [(KEPT, Trial::Kept), (TRY, Trial::Undecided)] {
            let path = format!("{name}/{entry}");
            match statat(&self.directory, path, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => return Ok(Some(trial)),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno).doing("look for a try of", || name),
            }
        }
        Ok(None)
    }

    /// Makes the place for what a try changes.
    pub fn begin_trial(&self, name: &EnvName) -> Result<()> {
        make_directory(&self.directory, format!("{name}/{TRY}"))
            .map_err(|error| error.with_operation("create a try of").with_object(name))
    }

    /// Decides that the try is to be kept: from here on it will be, whatever comes between.
    pub fn decide_to_keep(&self, name: &EnvName) -> Result<()> {
        self.rename_trial(name, TRY, KEPT)
    }

    /// Takes that back, where it turns out not to be possible now.
    pub fn leave_undecided(&self, name: &EnvName) -> Result<()> {
        self.rename_trial(name, KEPT, TRY)
    }

    fn rename_trial(&self, name: &EnvName, from: &str, to: &str) -> Result<()> {
        let (from, to) = (format!("{name}/{from}"), format!("{name}/{to}"));
        let flags = RenameFlags::NOREPLACE;
        renameat_with(&self.directory, from, &self.directory, to, flags)
            .doing("rename the try of", || name)
    }

    /// Takes the try of an environment away, at once, then removes its files.
    pub fn discard_trial(&self, name: &EnvName) -> Result<()> {
        let from = format!("{name}/{TRY}");
        let to = format!("{REMOVED}{}-try-{name}", std::process::id());
        let flags = RenameFlags::NOREPLACE;
        renameat_with(&self.directory, from, &self.directory, &to, flags)
            .doing("discard the try of", || name)?;
        tree::remove(&self.directory, &c_name(&to))
    }

    /// Puts in the place of an environment what `merge` makes of its directory and of that of the try that is
    /// to be kept, in a third one: at once, or not at all.
    pub fn keep_trial(
        &self,
        name: &EnvName,
        merge: impl FnOnce(&OwnedFd, &OwnedFd, &OwnedFd) -> Result<()>,
    ) -> Result<()> {
        let environment = self.open(name)?.ok_or_else(|| missing(name))?;
        let trial = root_directory(&environment, KEPT, false)?;
        // A process that is killed each time, by a limit of processor time, must not leave a copy
        // each time.
        let _ = self.remove_leftovers();
        self.complete_or_not_at_all(name, RenameFlags::EXCHANGE, |merged| {
            packages::copy_mark(&environment, merged)?;
            merge(&environment, &trial, merged)
        })?;
        // The former directory has the name of an unfinished copy now. It is kept all the same if that cannot be
        // removed; the next removal tries again.
        let _ = self.remove_leftovers();
        Ok(())
    }
}

/// The layers of one file system that hold changes, as paths below the mount of the environment's directory.
pub(crate) struct Upper {
    /// What is changed goes there.
    pub(crate) changes: String,
    /// Overlayfs' scratch space.
    pub(crate) work: String,
    /// The changes that a try only looks at.
    pub(crate) below: Option<String>,
}

/// The layers for the file system at `at`, whose root on the host is `base`; made if they do not
/// exist.
pub(crate) fn upper_layers(
    environment: impl AsFd,
    at: &Path,
    base: &OwnedFd,
    trial: bool,
) -> Result<Upper> {
    let environment = environment.as_fd();
    if !trial {
        let (changes, work) = layer_directories(environment, at, base)?;
        return Ok(Upper {
            changes: format!("env/{changes}"),
            work: format!("env/{work}"),
            below: None,
        });
    }
    let directory = root_directory(environment, TRY, false)?;
    let (name, work_name) = layer_names(at);
    let is_new = statat(&directory, &work_name, AtFlags::SYMLINK_NOFOLLOW).is_err();
    let (changes, work) = layer_directories(&directory, at, base)?;
    let below = match root_directory(environment, &name, false) {
        Ok(below) => Some(below),
        Err(error) if error.errno == Some(Errno::NOENT) => None,
        Err(error) => return Err(error),
    };
    if let (Some(below), true) = (&below, is_new) {
        // The upper directory is the root of the merged one.
        let top = root_directory(&directory, &name, false)?;
        as_writer(|| {
            tree::copy_attributes(below, &top, |attribute| !overlayfs::is_own(attribute))
                .doing("copy the attributes of", || &name)
        })?;
    }
    Ok(Upper {
        changes: format!("env/{TRY}/{changes}"),
        work: format!("env/{TRY}/{work}"),
        below: below.map(|_| format!("env/{name}")),
    })
}

/// There is nothing to decide on.
#[must_use]
pub fn no_trial(name: &EnvName) -> Error {
    let object = format!("a try of the environment \"{name}\"");
    Error::refused("find", object, "there is none that waits for a word")
        .hint("an environment that is used again has discarded a try that nobody kept")
}

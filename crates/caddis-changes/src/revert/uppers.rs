//! The upper layers of an environment, and where in them a path belongs.

use caddis_view::Result;
use caddis_view::error::Context;
use caddis_view::mountinfo::{Index, Mount};
use caddis_view::plan::upper_name;
use caddis_view::store::entries;
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// An upper layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upper {
    /// Where its file system is, outside and inside.
    pub(super) at: PathBuf,
    /// Its name in the environment's directory.
    pub(super) name: String,
}

/// The layers of the file systems that the host has now; those of others are not seen inside either.
pub(super) fn all(environment: &OwnedFd, mounts: &[Mount]) -> Result<Vec<Upper>> {
    let names = entries(environment)?;
    let mut uppers: Vec<Upper> = mounts
        .iter()
        .filter(|mount| !mount.covered)
        .map(|mount| Upper {
            at: mount.at.clone(),
            name: upper_name(&mount.at),
        })
        .filter(|upper| names.contains(&upper.name))
        .collect();
    uppers.sort_by(|a, b| a.at.cmp(&b.at));
    Ok(uppers)
}

/// The layer that `path` belongs to, and its name there. `None`: it is on a file system that has no changes.
pub(super) fn of(
    environment: &OwnedFd,
    mounts: &[Mount],
    path: &Path,
) -> Result<Option<(Upper, PathBuf)>> {
    let seen = mounts.iter().filter(|mount| !mount.covered);
    let Some(mount) = Index::new(seen).containing(path) else {
        return Ok(None);
    };
    let (at, name) = (mount.at.clone(), upper_name(&mount.at));
    match statat(environment, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => {
            let inside = path.strip_prefix(&at).unwrap_or(path).to_owned();
            Ok(Some((Upper { at, name }, inside)))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).doing("stat the changes of", || at.display()),
    }
}

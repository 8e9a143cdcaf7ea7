//! The directories of an environment that hold its changes, one pair for each file system.

use crate::credentials::{as_writer, give_to_root};
use crate::error::{Context, Result};
use crate::plan::upper_name;
use rustix::fs::{AtFlags, Mode, chmodat, chownat, fstat, mkdirat, statat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::{Gid, Uid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

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

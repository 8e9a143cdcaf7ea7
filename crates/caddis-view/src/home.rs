//! The user's home directory, found with the user's own rights: an NFS server may refuse root, and a
//! link that the user changes meanwhile must lead nowhere that the user could not go.

use crate::credentials::as_user;
use crate::identity::Identity;
use crate::tree::path_of;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2, readlinkat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The resolved path of the directory `home`, if it is the user's own.
///
/// # Errors
/// `NOENT`, `ACCESS` and the like from looking it up as the user; `PERM` if it belongs to another, or lies among the
/// kernel's files.
pub fn resolve(identity: &Identity, home: &Path) -> Result<PathBuf, Errno> {
    let directory = as_user(identity, || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(CWD, home, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
    })?;
    if fstat(&directory)?.st_uid != identity.uid {
        return Err(Errno::PERM);
    }
    let path = readlinkat(CWD, path_of(&directory), Vec::new())?.into_bytes();
    let path = PathBuf::from(OsString::from_vec(path));
    // There are directories of the user's among the kernel's files; these have places of their own in the view.
    if ["/dev", "/proc", "/sys"]
        .iter()
        .any(|tree| path.starts_with(tree))
    {
        return Err(Errno::PERM);
    }
    Ok(path)
}

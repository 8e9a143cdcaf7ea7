//! The user's home directory, found with the user's own rights: an NFS server may refuse root, and a
//! link that the user changes meanwhile must lead nowhere that the user could not go.

use crate::identity::Identity;
use crate::patient::{Wanted, open_one, owner};
use crate::tree::path_of;
use rustix::fs::{CWD, readlinkat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The resolved path of the directory `home`, if it is the user's own.
///
/// # Errors
/// `NOENT`, `ACCESS` and the like from looking it up as the user; `TIMEDOUT` if its server does not
/// answer; `PERM` if it belongs to another user, or lies among the kernel's files.
pub fn resolve(identity: &Identity, home: &Path) -> Result<PathBuf, Errno> {
    let mut wanted = Wanted {
        path: home,
        directory: true,
        server: false,
    };
    let open =
        |wanted| open_one(identity, wanted).map_err(|error| error.errno.unwrap_or(Errno::IO));
    let mut directory = open(wanted)??;
    if owner(&directory)? != identity.uid {
        // The kernel may not know it yet: its server does.
        wanted.server = true;
        directory = open(wanted)??;
    }
    if owner(&directory)? != identity.uid {
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

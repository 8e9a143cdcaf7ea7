//! The front layer: directories of an instance that hide the base's, in the instance's memory.

use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::plan::{Front, Overlay};
use rustix::fs::{AtFlags, CWD, FileType, Mode, XattrFlags, chmodat, chownat, lsetxattr, mkdirat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::path::{Path, PathBuf};

/// Builds the front layer of `overlay` in the directory `name` of the working directory.
///
/// A directory of the front that the base has too lends the merged one its owner and mode, so each
/// gets those of the base's.
pub(crate) fn build(name: &str, overlay: &Overlay, identity: &Identity) -> Result<()> {
    let top = PathBuf::from(name);
    directory(&top, &overlay.at, identity, None)?;
    for front in &overlay.front {
        let (path, own) = match front {
            Front::Empty(path) => (path, None),
            Front::MountPoint(path) => (path, Some((identity.uid, identity.gid))),
        };
        let relative = path.strip_prefix(&overlay.at).unwrap_or(path);
        let (mut here, mut there) = (top.clone(), overlay.at.clone());
        let count = relative.components().count();
        for (index, component) in relative.components().enumerate() {
            here.push(component);
            there.push(component);
            directory(&here, &there, identity, own.filter(|_| index + 1 == count))?;
        }
        if let Front::Empty(_) = front {
            // Nothing of the layers below shows through; see "opaque directories" in the kernel's
            // documentation of overlayfs.
            lsetxattr(&here, c"trusted.overlay.opaque", b"y", XattrFlags::empty())
                .doing("set trusted.overlay.opaque on", || here.display())?;
        }
    }
    Ok(())
}

fn directory(here: &Path, base: &Path, identity: &Identity, own: Option<(u32, u32)>) -> Result<()> {
    match mkdirat(CWD, here, Mode::RWXU) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(errno) => return Err(errno).doing("create", || here.display()),
    }
    let base = rustix::fs::lstat(base)
        .ok()
        .filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    let (uid, gid, mode) = match (own, base) {
        (Some((uid, gid)), _) => (uid, gid, 0o700),
        (None, Some(stat)) => (
            identity.host_uid(stat.st_uid),
            identity.host_gid(stat.st_gid),
            stat.st_mode & 0o7777,
        ),
        (None, None) => (identity.host_uid(0), identity.host_gid(0), 0o755),
    };
    let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    chownat(CWD, here, owner, group, AtFlags::SYMLINK_NOFOLLOW)
        .doing("chown", || here.display())?;
    chmodat(CWD, here, Mode::from_raw_mode(mode), AtFlags::empty())
        .doing("chmod", || here.display())
}

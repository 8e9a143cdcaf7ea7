//! The front layer: directories of an instance that hide the base's, in the instance's memory.

use crate::accounts::Accounts;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::plan::{Front, Locked, Overlay};
use rustix::fs::{AtFlags, CWD, FileType, Mode, XattrFlags, chmodat, chownat, lsetxattr, mkdirat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::path::{Path, PathBuf};

/// Builds the front layer of `overlay` in the directory `name` of the working directory.
///
/// A directory of the front that the base has too lends the merged one its owner and mode, so each
/// gets those of the base's.
pub(crate) fn build(name: &str, overlay: &Overlay, identity: &Identity) -> Result<()> {
    let top = Path::new(name);
    directory(top, &overlay.at, identity, None)?;
    for front in &overlay.front {
        match front {
            Front::Empty(path) => empty(top, overlay, path, identity)?,
            Front::Covered(path) if is_file(path) => {
                let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
                    continue;
                };
                let file = directories(top, overlay, above, identity, None)?.join(name);
                std::fs::write(&file, "")
                    .map_err(|error| Error::refused("create", file.display(), error))?;
            }
            Front::Covered(path) => empty(top, overlay, path, identity)?,
            Front::MountPoint(path) => {
                let own = Some((identity.uid, identity.gid));
                directories(top, overlay, path, identity, own)?;
            }
            Front::Locked(path, kind) => locked(top, overlay, path, *kind, identity)?,
        }
    }
    Ok(())
}

/// A directory through which nothing of the layers below shows; see "opaque directories" in the kernel's
/// documentation of overlayfs.
fn empty(top: &Path, overlay: &Overlay, path: &Path, identity: &Identity) -> Result<()> {
    let here = directories(top, overlay, path, identity, None)?;
    lsetxattr(&here, c"trusted.overlay.opaque", b"y", XattrFlags::empty())
        .doing("set trusted.overlay.opaque on", || here.display())
}

fn is_file(path: &Path) -> bool {
    rustix::fs::lstat(path)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory)
}

/// The directory `path` of the base, and those above it, in the front layer. `own`: the last one is
/// this user's alone.
fn directories(
    top: &Path,
    overlay: &Overlay,
    path: &Path,
    identity: &Identity,
    own: Option<(u32, u32)>,
) -> Result<PathBuf> {
    let relative = path.strip_prefix(&overlay.at).unwrap_or(path);
    let (mut here, mut there) = (top.to_owned(), overlay.at.clone());
    let count = relative.components().count();
    for (index, component) in relative.components().enumerate() {
        here.push(component);
        there.push(component);
        directory(&here, &there, identity, own.filter(|_| index + 1 == count))?;
    }
    Ok(here)
}

/// A file like the base's, with the same owner and mode, in which every password is locked. None if the
/// user can read the base's, or if there is none.
fn locked(
    top: &Path,
    overlay: &Overlay,
    path: &Path,
    kind: Locked,
    identity: &Identity,
) -> Result<()> {
    let Ok(stat) = rustix::fs::lstat(path) else {
        return Ok(());
    };
    let readable = stat.st_mode & 0o004 != 0
        || (stat.st_mode & 0o040 != 0 && identity.groups.contains(&stat.st_gid))
        || stat.st_uid == identity.uid;
    if readable || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    let accounts = Accounts::read(0)?;
    let text = match kind {
        Locked::Shadow => accounts.shadow(),
        Locked::Gshadow => accounts.gshadow(),
    };
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let file = directories(top, overlay, above, identity, None)?.join(name);
    std::fs::write(&file, text).map_err(|error| Error::refused("write", file.display(), error))?;
    let owner = Some(Uid::from_raw(identity.host_uid(stat.st_uid)));
    let group = Some(Gid::from_raw(identity.host_gid(stat.st_gid)));
    chownat(CWD, &file, owner, group, AtFlags::SYMLINK_NOFOLLOW)
        .doing("chown", || file.display())?;
    chmodat(
        CWD,
        &file,
        Mode::from_raw_mode(stat.st_mode & 0o7777),
        AtFlags::empty(),
    )
    .doing("chmod", || file.display())
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

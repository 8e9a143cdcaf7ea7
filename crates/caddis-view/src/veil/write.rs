//! Writes a veil to disk, as layers of overlayfs are written.

use super::{Entry, Twin, VeilPlan};
use crate::error::{Context, Result, write_all};
use crate::overlayfs::OPAQUE;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, XattrFlags, chmodat, chownat, fchmod, fchown, fsetxattr,
    mkdirat, mknodat, openat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// What to do where the file system cannot hold a layer.
pub(super) const NEEDS_LOCAL: &str = "the state directory needs a local file system";

/// Writes `plan` into the empty directory `top`.
pub(super) fn write(top: &OwnedFd, plan: &VeilPlan) -> Result<()> {
    for entry in &plan.entries {
        let relative = entry.path.strip_prefix("/").unwrap_or(&entry.path);
        one(top, relative, entry)?;
    }
    Ok(())
}

fn one(top: &OwnedFd, path: &Path, entry: &Entry) -> Result<()> {
    match &entry.twin {
        Twin::Whiteout => {
            // A character device 0/0; see "whiteouts" in the kernel's documentation of overlayfs.
            mknodat(top, path, FileType::CharacterDevice, Mode::empty(), 0)
                .doing("create a whiteout at", || path.display())
                .map_err(|error| error.hint(NEEDS_LOCAL))?;
        }
        Twin::File(text) => file(top, path, text.as_bytes(), entry.mode)?,
        Twin::Directory | Twin::Empty => {
            if path.as_os_str().is_empty() {
                fchown(
                    top,
                    Some(Uid::from_raw(entry.uid)),
                    Some(Gid::from_raw(entry.gid)),
                )
                .and_then(|()| fchmod(top, Mode::from_raw_mode(entry.mode)))
                .doing("set the owner of", || "the veil")?;
                return Ok(());
            }
            match mkdirat(top, path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).doing("create", || path.display()),
            }
            if entry.twin == Twin::Empty {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let directory =
                    openat(top, path, flags, Mode::empty()).doing("open", || path.display())?;
                fsetxattr(&directory, OPAQUE, b"y", XattrFlags::empty())
                    .doing("set trusted.overlay.opaque on", || path.display())
                    .map_err(|error| error.hint(NEEDS_LOCAL))?;
            }
        }
    }
    let (owner, group) = (
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    );
    chownat(top, path, owner, group, AtFlags::SYMLINK_NOFOLLOW)
        .doing("chown", || path.display())?;
    // After the owner, whose change clears setuid and setgid bits.
    chmodat(top, path, Mode::from_raw_mode(entry.mode), AtFlags::empty())
        .doing("chmod", || path.display())
}

/// Writes a new file, or a former one anew.
pub(super) fn file(
    directory: impl AsFd,
    path: impl AsRef<Path>,
    content: &[u8],
    mode: u32,
) -> Result<()> {
    let path = path.as_ref();
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, path, flags, Mode::from_raw_mode(mode))
        .doing("create", || path.display())?;
    write_all(&file, content).doing("write", || path.display())
}

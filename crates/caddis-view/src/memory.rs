//! The instance's private memory: one tmpfs for all that belongs to it only. First it holds the
//! scaffolding, later `/tmp`, `/run`, `/dev`.

use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::layers::{attach, clone_mount, new_filesystem};
use caddis_sys::MountAttr;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, chmodat, chownat, mkdirat, openat};
use rustix::mount::MountAttrFlags;
use rustix::process::{Gid, Uid, fchdir};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A tmpfs, and whose it is.
#[derive(Debug)]
pub(crate) struct Memory {
    mount: OwnedFd,
    owner: (u32, u32),
}

impl Memory {
    /// Makes it, of at most `size`, mounts it on `workshop`, and makes it the working directory, so that
    /// overlays can be given short relative paths, which work on every kernel and tell nothing of the
    /// host in `/proc/mounts`.
    pub(crate) fn new(size: &str, workshop: &Path, identity: &Identity) -> Result<Memory> {
        let options = [("source", "caddis"), ("size", size), ("mode", "0700")];
        let mount = new_filesystem("tmpfs", &options, MountAttrFlags::empty(), |create| {
            create()
        })?;
        let at = openat(CWD, workshop, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .doing("open", || workshop.display())?;
        attach(&mount, &at).doing("mount tmpfs on", || workshop.display())?;
        fchdir(&mount).doing("fchdir", || "the instance's memory")?;
        Ok(Memory {
            mount,
            owner: (identity.host_uid(0), identity.host_gid(0)),
        })
    }

    /// The mount of all of it.
    pub(crate) fn mount(&self) -> &OwnedFd {
        &self.mount
    }

    /// A directory of root's, for a part of the scaffolding.
    pub(crate) fn scaffold(&self, name: &str) -> Result<()> {
        mkdirat(&self.mount, name, Mode::from_raw_mode(0o755)).doing("create", || name)
    }

    /// Mounts something on a part of the scaffolding.
    pub(crate) fn attach(&self, mount: &OwnedFd, name: &str) -> Result<()> {
        attach(mount, self.open(name)?).doing("move_mount to", || name)
    }

    fn open(&self, name: &str) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&self.mount, name, flags, Mode::empty()).doing("open", || name)
    }

    /// A directory that belongs to container root.
    pub(crate) fn directory(&self, name: &str, mode: u32) -> Result<()> {
        mkdirat(&self.mount, name, Mode::from_raw_mode(mode)).doing("create", || name)?;
        self.give(name)?;
        // mkdir(2) heeds the mask and drops the sticky bit on some kernels.
        chmodat(
            &self.mount,
            name,
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        )
        .doing("chmod", || name)
    }

    /// A file that belongs to container root.
    pub(crate) fn file(&self, name: &str, text: &str, mode: u32) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file =
            openat(&self.mount, name, flags, Mode::from_raw_mode(mode)).doing("create", || name)?;
        crate::error::write_all(&file, text.as_bytes()).doing("write", || name)?;
        self.give(name)
    }

    fn give(&self, name: &str) -> Result<()> {
        let (uid, gid) = self.owner;
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(&self.mount, name, owner, group, AtFlags::SYMLINK_NOFOLLOW).doing("chown", || name)
    }

    /// A mount of one of its directories, with `flags`.
    pub(crate) fn part(&self, name: &str, flags: MountAttrFlags) -> Result<OwnedFd> {
        clone_mount(self.open(name)?, false, &MountAttr::new(flags))
    }
}

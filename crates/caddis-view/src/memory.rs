//! The instance's private memory: one tmpfs for all that belongs to it only. First it holds the
//! scaffolding, later `/tmp`, `/run`, `/dev`.

use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::layers::{attach, clone_mount, new_filesystem};
use caddis_sys::MountAttr;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, chownat, mkdirat, openat};
use rustix::mount::MountAttrFlags;
use rustix::process::{Gid, Uid, fchdir};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A tmpfs of container root's. The file mode creation mask is 0 when something is made in it.
#[derive(Debug)]
pub(crate) struct Memory {
    mount: OwnedFd,
}

impl Memory {
    /// Makes it, of at most `size`, mounts it on `workshop`, and makes it the working directory, so that
    /// overlays can be given short relative paths, which work on every kernel and tell nothing of the
    /// host in `/proc/mounts`.
    pub(crate) fn new(size: &str, workshop: &Path, identity: &Identity) -> Result<Memory> {
        let (uid, gid) = (identity.host_uid(0), identity.host_gid(0));
        let (uid, gid) = (uid.to_string(), gid.to_string());
        let options = [
            ("source", "caddis"),
            ("size", size),
            ("mode", "0700"),
            ("uid", &uid),
            ("gid", &gid),
        ];
        let mount = new_filesystem("tmpfs", &options, MountAttrFlags::empty(), |create| {
            create()
        })?;
        let at = openat(CWD, workshop, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .doing("open", || workshop.display())?;
        attach(&mount, &at).doing("mount tmpfs on", || workshop.display())?;
        fchdir(&mount).doing("fchdir", || "the instance's memory")?;
        Ok(Memory { mount })
    }

    /// The mount of all of it.
    pub(crate) fn mount(&self) -> &OwnedFd {
        &self.mount
    }

    /// Mounts something on a part of the scaffolding.
    pub(crate) fn attach(&self, mount: &OwnedFd, name: &str) -> Result<()> {
        attach(mount, self.open(name)?).doing("move_mount to", || name)
    }

    /// A directory of the scaffolding, or what is mounted there.
    pub(crate) fn open(&self, name: &str) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&self.mount, name, flags, Mode::empty()).doing("open", || name)
    }

    /// A directory of whoever makes it, with exactly this mode.
    pub(crate) fn directory(&self, name: &str, mode: u32) -> Result<()> {
        mkdirat(&self.mount, name, Mode::from_raw_mode(mode)).doing("create", || name)
    }

    /// A file of whoever makes it, with exactly this mode.
    pub(crate) fn file(&self, name: &str, text: &str, mode: u32) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file =
            openat(&self.mount, name, flags, Mode::from_raw_mode(mode)).doing("create", || name)?;
        crate::error::write_all(&file, text.as_bytes()).doing("write", || name)
    }

    /// Gives what root has made to somebody else.
    pub(crate) fn give_to(&self, name: &str, uid: u32, gid: u32) -> Result<()> {
        if (uid, gid) == (0, 0) {
            return Ok(());
        }
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(&self.mount, name, owner, group, AtFlags::SYMLINK_NOFOLLOW).doing("chown", || name)
    }

    /// A mount of one of its directories or files, with `flags`.
    pub(crate) fn part(&self, name: &str, flags: MountAttrFlags) -> Result<OwnedFd> {
        let path = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let part = openat(&self.mount, name, path, Mode::empty()).doing("open", || name)?;
        clone_mount(part, false, &MountAttr::new(flags))
    }
}

//! The host's own file systems, walked by descriptor.
//!
//! Names on the way may be a user's, who can exchange any of them for a link or mount something on
//! it at any moment. So a path is looked up from the root of the mount that it lies on, through no
//! link and onto no other mount. From one mount to the next it goes only where the mount table has
//! one, and only if what is there is that very mount. File systems that a program or a server
//! answers for are not entered: nothing here waits for anybody.

use super::{WITHIN, open_beneath, path_of};
use crate::mountinfo::Mount;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags, openat, openat2, readlinkat, statx,
};
use rustix::io::Errno;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Types of file systems that the kernel serves by itself, beside those that the policy overlays.
const KERNELS_OWN: [&str; 26] = [
    "bcachefs",
    "btrfs",
    "cgroup",
    "cgroup2",
    "devpts",
    "devtmpfs",
    "erofs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "overlay",
    "proc",
    "ramfs",
    "securityfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "udf",
    "vfat",
    "xfs",
    "zfs",
];

/// Whether `mount` can be reached, and nobody but the kernel answers for its file system.
#[must_use]
pub fn is_local(mount: &Mount, overlay_types: &[String]) -> bool {
    mount.fuse_user.is_none()
        && !mount.covered
        && !mount.fstype.starts_with("fuse.")
        && (KERNELS_OWN.contains(&mount.fstype.as_str()) || overlay_types.contains(&mount.fstype))
}

/// The file systems of a mount table.
#[derive(Debug)]
pub struct Local {
    mounts: BTreeMap<PathBuf, Entered>,
}

#[derive(Debug)]
struct Entered {
    id: u64,
    local: bool,
    /// Its root, opened when it is needed first.
    root: OnceCell<Result<OwnedFd, Errno>>,
}

impl Local {
    /// Those of `mounts`, the table of this process's mount namespace.
    #[must_use]
    pub fn new(mounts: &[Mount], overlay_types: &[String]) -> Local {
        let entered = |mount: &Mount| Entered {
            id: mount.id,
            local: is_local(mount, overlay_types),
            root: OnceCell::new(),
        };
        let mounts = mounts
            .iter()
            .map(|mount| (mount.at.clone(), entered(mount)));
        Local {
            mounts: mounts.collect(),
        }
    }

    /// Opens what is at `path`, as it is there: a link is not followed.
    ///
    /// # Errors
    /// `XDEV`: it lies on a file system that is not the kernel's own, or not in the table. `LOOP`:
    /// there is a link where a directory is expected.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let (at, _) = self.containing(path).ok_or(Errno::XDEV)?;
        let root = self.root(at)?;
        let inside = path.strip_prefix(at).map_err(|_| Errno::INVAL)?;
        if inside == Path::new("") {
            return reopen(root, flags);
        }
        open_beneath(root, inside, flags)
    }

    /// The root of what is mounted at `at`.
    ///
    /// # Errors
    /// As [`Local::open`].
    pub fn root(&self, at: &Path) -> Result<BorrowedFd<'_>, Errno> {
        let mount = self.mounts.get(at).ok_or(Errno::XDEV)?;
        if !mount.local {
            return Err(Errno::XDEV);
        }
        let root = mount.root.get_or_init(|| self.enter(at, mount));
        root.as_ref().map(AsFd::as_fd).map_err(|errno| *errno)
    }

    fn enter(&self, at: &Path, mount: &Entered) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (Some(above), Some(name)) = (at.parent(), at.file_name()) else {
            return openat(CWD, at, flags, Mode::empty());
        };
        let found = match self.open(above, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(above) => {
                let into = WITHIN.difference(ResolveFlags::NO_XDEV);
                openat2(above, name, flags, Mode::empty(), into)?
            }
            // Below a server's: as far as the kernel knows the way without asking anybody.
            Err(Errno::XDEV) => {
                let known = ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
                match openat2(CWD, at, flags, Mode::empty(), known) {
                    Err(Errno::AGAIN) => return Err(Errno::XDEV),
                    other => other?,
                }
            }
            Err(errno) => return Err(errno),
        };
        // What somebody else has put there since the table was read is not entered.
        (mount_of(&found)? == mount.id)
            .then_some(found)
            .ok_or(Errno::XDEV)
    }

    /// The mount that a path lies on.
    fn containing(&self, path: &Path) -> Option<(&Path, &Entered)> {
        path.ancestors().find_map(|above| {
            let (at, mount) = self.mounts.get_key_value(above)?;
            Some((at.as_path(), mount))
        })
    }

    /// The target of the link at `path`; `None`: it is none.
    ///
    /// # Errors
    /// As [`Local::open`].
    pub fn link(&self, path: &Path) -> Result<Option<PathBuf>, Errno> {
        let found = self.open(path, OFlags::PATH)?;
        match readlinkat(found, "", Vec::new()) {
            Ok(target) => Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes())))),
            // What is no link has no target.
            Err(Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// Opens the very file of an `O_PATH` descriptor again.
pub fn reopen(file: impl AsFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    if flags.contains(OFlags::PATH) {
        return rustix::io::fcntl_dupfd_cloexec(file, 3);
    }
    openat(CWD, path_of(file), flags | OFlags::CLOEXEC, Mode::empty())
}

/// The id of the mount that a file was opened on. Nobody is asked for it.
pub fn mount_of(file: impl AsFd) -> Result<u64, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    Ok(statx(file, "", flags, StatxFlags::MNT_ID)?.stx_mnt_id)
}

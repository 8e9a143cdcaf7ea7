use crate::checked;
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// What to change on a mount that has no place in any mount namespace yet.
#[derive(Debug, Default)]
pub struct MountAttr<'a> {
    /// Attributes to set.
    pub set: u64,
    /// The user namespace whose id maps the mount shall apply.
    pub idmap: Option<BorrowedFd<'a>>,
    /// Also every mount below it.
    pub recursive: bool,
}

impl<'a> MountAttr<'a> {
    /// Sets `flags`.
    #[must_use]
    pub fn new(flags: MountAttrFlags) -> MountAttr<'a> {
        MountAttr {
            set: u64::from(flags.bits()),
            ..MountAttr::default()
        }
    }

    /// Applies the id maps of the user namespace `userns` as well.
    #[must_use]
    pub fn idmapped(mut self, userns: &'a impl AsFd) -> MountAttr<'a> {
        self.set |= u64::from(MountAttrFlags::MOUNT_ATTR_IDMAP.bits());
        self.idmap = Some(userns.as_fd());
        self
    }

    /// Changes every mount below as well.
    #[must_use]
    pub fn recursive(mut self) -> MountAttr<'a> {
        self.recursive = true;
        self
    }
}

/// Changes the attributes of the mount that `mount` stands for.
///
/// # References
/// - [mount_setattr(2)](https://man7.org/linux/man-pages/man2/mount_setattr.2.html)
pub fn mount_setattr(mount: impl AsFd, attr: &MountAttr<'_>) -> Result<(), Errno> {
    let userns_fd = match attr.idmap {
        Some(fd) => u64::try_from(fd.as_raw_fd()).map_err(|_| Errno::BADF)?,
        None => 0,
    };
    let args = libc::mount_attr {
        attr_set: attr.set,
        attr_clr: 0,
        propagation: 0,
        userns_fd,
    };
    let recursive = if attr.recursive {
        libc::AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: the path is an empty C string; the structure has the size that is passed with it.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const args,
            size_of_val(&args),
        )
    })?;
    Ok(())
}

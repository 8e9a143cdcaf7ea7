//! An entry of an upper layer, as overlayfs reads it; see "whiteouts and opaque directories" in the kernel's
//! documentation of overlayfs.

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fgetxattr, openat2};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The directory's own attributes of overlayfs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Nothing of the layers below shows through it.
    pub opaque: bool,
    /// It was renamed: what lies below it is found here.
    pub redirect: Option<Redirect>,
}

/// Where a renamed directory is found in the layers below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    /// From the root of the layer.
    Absolute(PathBuf),
    /// Beside it, as it is below.
    Sibling(OsString),
}

/// A character device with the number 0/0: there is nothing of that name, whatever lies below.
#[must_use]
pub fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Opens the directory `name` inside `parent`: not a link, not a mount point.
pub fn open_directory(parent: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    openat2(
        parent,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV,
    )
}

/// Reads the marks of a directory of an upper layer. Takes `CAP_SYS_ADMIN`.
pub fn marks(directory: impl AsFd) -> Result<Marks, Errno> {
    let opaque = attribute(&directory, c"trusted.overlay.opaque")?;
    let redirect = attribute(&directory, c"trusted.overlay.redirect")?;
    Ok(Marks {
        opaque: opaque.is_some_and(|value| value == b"y"),
        redirect: redirect.map(|value| Redirect::parse(&value)),
    })
}

fn attribute(directory: impl AsFd, name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = vec![0; 4096];
    match fgetxattr(directory, name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

impl Redirect {
    fn parse(value: &[u8]) -> Redirect {
        let text = OsStr::from_bytes(value);
        match value.first() {
            Some(b'/') => Redirect::Absolute(PathBuf::from(text)),
            _ => Redirect::Sibling(text.to_owned()),
        }
    }
}

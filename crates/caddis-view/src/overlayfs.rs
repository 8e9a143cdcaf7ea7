//! What overlayfs marks its layers with; see "whiteouts and opaque directories" in the kernel's
//! documentation of overlayfs.

use rustix::fs::{FileType, Stat, fgetxattr};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The attribute of a directory through which nothing of the layers below shows, if it is "y".
pub const OPAQUE: &CStr = c"trusted.overlay.opaque";

/// The attribute of a directory that has another name in the layers below; see "redirect_dir".
pub const REDIRECT: &CStr = c"trusted.overlay.redirect";

/// The attribute that says which file of a lower layer this was copied from.
pub const ORIGIN: &CStr = c"trusted.overlay.origin";

/// Whether an attribute is overlayfs' own.
pub(crate) fn is_own(attribute: &CStr) -> bool {
    attribute.to_bytes().starts_with(b"trusted.overlay.")
}

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
    is_whiteout_device(FileType::from_raw_mode(stat.st_mode), stat.st_rdev)
}

/// The same, of a file of that type and device number.
#[must_use]
pub fn is_whiteout_device(kind: FileType, device: u64) -> bool {
    kind == FileType::CharacterDevice && device == 0
}

/// Reads the marks of a directory of an upper layer. Takes `CAP_SYS_ADMIN`.
pub fn marks(directory: impl AsFd) -> Result<Marks, Errno> {
    let opaque = attribute(&directory, OPAQUE)?;
    let redirect = attribute(&directory, REDIRECT)?;
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

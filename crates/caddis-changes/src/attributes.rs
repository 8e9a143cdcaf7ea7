//! Extended attributes that a user can have changed.

use crate::entry::{Name, Time};
use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

/// When the user's copy of a file of the base was taken, in nanoseconds since 1970, where the file itself was made
/// later: it was copied with its environment.
const TAKEN: &CStr = caddis_view::tree::TAKEN;

/// The attributes of something.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Those that can be set inside, with their values or why they cannot be read.
    own: BTreeMap<CString, Result<Vec<u8>, Errno>>,
    /// [`TAKEN`] is among the others.
    taken: bool,
}

/// `trusted.*` is overlayfs' and ours, `security.selinux` and the like the host's policy.
fn can_be_set_inside(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.starts_with(b"user.")
        || name.starts_with(b"system.posix_acl_")
        || name == b"security.capability"
}

/// The most that the kernel has of names, and of one value; see xattr(7).
const MOST: usize = 65536;

/// What is enough nearly always. The kernel allocates as much as it is offered, for each call.
const USUAL: usize = 256;

fn list(name: Name<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    match list_into(name, &mut buffer[..USUAL]) {
        Err(Errno::RANGE) => list_into(name, buffer),
        other => other,
    }
}

fn list_into(name: Name<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    // Of a directory itself, which need not be open to be read.
    let own = if name.name.is_empty() {
        c"."
    } else {
        name.name
    };
    match caddis_sys::listxattrat(name.directory, own, buffer) {
        // Before Linux 6.13.
        Err(Errno::NOSYS) => llistxattr(name.path(), buffer),
        other => other,
    }
}

impl Attributes {
    /// Reads them, with a buffer that is used again and again.
    pub(crate) fn of(name: Name<'_>, buffer: &mut Vec<u8>) -> Result<Attributes, Errno> {
        buffer.resize(MOST, 0);
        let mut attributes = Attributes::default();
        let length = match list(name, buffer) {
            Ok(length) => length,
            // Gone meanwhile, or out of the user's reach: nothing that could be compared.
            Err(Errno::NOENT | Errno::ACCESS | Errno::OPNOTSUPP) => 0,
            Err(errno) => return Err(errno),
        };
        let names: Vec<CString> = buffer[..length]
            .split_inclusive(|byte| *byte == 0)
            .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
            .filter(|name| can_be_set_inside(name) || *name == TAKEN)
            .map(CStr::to_owned)
            .collect();
        if names.is_empty() {
            return Ok(attributes);
        }
        let path = name.path();
        for name in names {
            if name.as_c_str() == TAKEN {
                attributes.taken = true;
                continue;
            }
            let value = lgetxattr(&path, &name, &mut buffer[..]);
            let value = value.map(|length| buffer[..length].to_vec());
            attributes.own.insert(name, value);
        }
        Ok(attributes)
    }

    /// They are the same as those of the other side.
    pub(crate) fn same(&self, other: &Attributes) -> bool {
        self.own == other.own
    }

    /// When the user's copy `name` was taken, if that was noted.
    pub(crate) fn taken(&self, name: Name<'_>) -> Option<Time> {
        if !self.taken {
            return None;
        }
        let mut value = [0; 32];
        let length = lgetxattr(name.path(), TAKEN, &mut value[..]).ok()?;
        let nanoseconds: u64 = std::str::from_utf8(&value[..length]).ok()?.parse().ok()?;
        let seconds = i64::try_from(nanoseconds / 1_000_000_000).ok()?;
        Some((
            seconds,
            u32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0),
        ))
    }
}

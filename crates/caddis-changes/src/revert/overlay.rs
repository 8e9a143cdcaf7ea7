//! A running environment's overlay, as its root would use it.
//!
//! Everything here is done with container root's host id and those capabilities over files that container root has
//! itself, below one overlay, through no link and onto no other file system: there is nothing in reach but the
//! environment's own.

use super::uppers::Upper;
use caddis_view::credentials::as_container_root;
use caddis_view::error::Context;
use caddis_view::refresh::Overlays;
use caddis_view::tree::{open_beneath, path_of};
use caddis_view::{Error, Identity, Instance, Result};
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, StatxFlags, Timespec, Timestamps, fstat, getxattr, openat,
    renameat_with, statx, unlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What is given up carries this, and who looks through the overlay sees whether it still shows. Only the host's root
/// reads it.
pub(super) const MARK: &CStr = c"trusted.caddis.given-up";

/// What the environment shows at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// What was given up.
    Former,
    /// The kernel has the directory in use under the name that was taken from it, and shows nobody the base's.
    Stale,
    /// A file that has no name in any layer any more: a process holds it.
    Gone,
    /// Something else, or nothing; or it is covered by a mount.
    Other,
}

/// One overlay of a running environment.
#[derive(Debug)]
pub(super) struct Overlay<'a> {
    root: &'a OwnedFd,
    all: &'a Overlays,
    identity: &'a Identity,
}

impl<'a> Overlay<'a> {
    /// The one that has `upper`. `None`: the environment runs without, since before the file system was mounted.
    pub(super) fn of(
        all: &'a Overlays,
        instance: &Instance,
        identity: &'a Identity,
        upper: &Upper,
    ) -> Result<Option<Overlay<'a>>> {
        let table = format!("/proc/{}/mountinfo", instance.pid.as_raw_nonzero());
        let text = std::fs::read(&table).map_err(|error| Error::refused("read", &table, error))?;
        for root in &all.environments {
            let stat = statx(root, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
                .doing("statx", || "an overlay of the environment")?;
            if upper_of(&text, stat.stx_mnt_id) == Some(format!("env/{}", upper.name).as_bytes()) {
                return Ok(Some(Overlay {
                    root,
                    all,
                    identity,
                }));
            }
        }
        Ok(None)
    }

    /// Has names looked up anew that nobody uses.
    pub(super) fn refresh(&self) -> Result<()> {
        self.all.refresh()
    }

    fn as_root<T>(
        &self,
        action: impl FnOnce() -> std::result::Result<T, Errno>,
    ) -> std::result::Result<T, Errno> {
        let rights = CapabilitySet::DAC_OVERRIDE
            | CapabilitySet::DAC_READ_SEARCH
            | CapabilitySet::FOWNER
            // For the mark.
            | CapabilitySet::SYS_ADMIN;
        as_container_root(self.identity, rights, action)
    }

    fn open(&self, path: &Path, more: OFlags) -> std::result::Result<OwnedFd, Errno> {
        open_beneath(self.root, path, OFlags::PATH | more)
    }

    /// What is seen at `path`.
    pub(super) fn shown(&self, path: &Path) -> Shown {
        let look = || {
            let found = self.open(path, OFlags::empty())?;
            let mut value = [0_u8; 1];
            match getxattr(path_of(&found), MARK, &mut value[..]) {
                Ok(_) | Err(Errno::RANGE) => Ok(Shown::Former),
                Err(_) if fstat(&found)?.st_nlink == 0 => Ok(Shown::Gone),
                Err(_) => Ok(Shown::Other),
            }
        };
        match self.as_root(look) {
            Ok(shown) => shown,
            Err(Errno::STALE) => Shown::Stale,
            Err(_) => Shown::Other,
        }
    }

    /// Renames `from` to `to` in the directory `path`: in exchange for what is there, or only if nothing is.
    pub(super) fn rename(
        &self,
        path: &Path,
        from: &CStr,
        to: &CStr,
        exchange: bool,
    ) -> std::result::Result<(), Errno> {
        let flags = if exchange {
            RenameFlags::EXCHANGE
        } else {
            RenameFlags::NOREPLACE
        };
        self.as_root(|| {
            let directory = self.open(path, OFlags::DIRECTORY)?;
            renameat_with(&directory, from, &directory, to, flags)
        })
    }

    /// Makes the kernel forget its list of a directory that was changed underneath, which it keeps for as long as
    /// anybody has the directory open: it does so when a name comes or goes.
    pub(super) fn forget_list(&self, path: &Path, name: &CStr) {
        let _ = self.as_root(|| {
            let directory = self.open(path, OFlags::DIRECTORY)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            drop(openat(&directory, name, flags, Mode::empty())?);
            unlinkat(&directory, name, AtFlags::empty())
        });
    }

    /// Makes the kernel read owner and mode of a directory again, which were changed underneath.
    pub(super) fn read_attributes_again(
        &self,
        path: &Path,
        modified: Timespec,
    ) -> std::result::Result<(), Errno> {
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_OMIT,
            },
            last_modification: modified,
        };
        self.as_root(|| {
            let directory = self.open(path, OFlags::DIRECTORY)?;
            utimensat(
                rustix::fs::CWD,
                path_of(&directory),
                &times,
                AtFlags::empty(),
            )
        })
    }
}

/// The upper directory of the overlay with this mount id, as it was given when the view was built.
fn upper_of(table: &[u8], id: u64) -> Option<&[u8]> {
    let id = id.to_string();
    table.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        if fields.next()? != id.as_bytes() {
            return None;
        }
        fields
            .next_back()?
            .split(|byte| *byte == b',')
            .find_map(|option| option.strip_prefix(b"upperdir="))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_is_known_by_its_upper_directory() {
        let table = b"7 1 0:5 / / rw - overlay caddis rw,lowerdir+=a,upperdir=env/@,workdir=w\n\
            71 7 0:6 / /srv rw - overlay caddis rw,upperdir=env/@srv,index=on\n\
            8 7 0:7 / /dev rw - tmpfs x rw\n";
        assert_eq!(upper_of(table, 7), Some(&b"env/@"[..]));
        assert_eq!(upper_of(table, 71), Some(&b"env/@srv"[..]));
        assert_eq!(upper_of(table, 8), None);
        assert_eq!(upper_of(table, 1), None);
    }
}

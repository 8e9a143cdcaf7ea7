//! What the base has where the front layer has something, as the user sees it.
//!
//! Paths of the front come from the mount table, from the policy, and from the caller, who names a
//! home. So they are looked up with the user's rights, by descriptor, through no link, on a copy of
//! the one mount that the overlay shows, on which nothing else is mounted: what the user cannot see
//! on the host gives the view no owner and no mode, and no server is asked.

use crate::credentials::as_user;
use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::layers::clone_mount;
use crate::plan::{Front, Overlay};
use crate::tree::{Trail, open_beneath};
use caddis_sys::MountAttr;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawMode, ResolveFlags, StatxFlags, openat2, statx,
};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Type, mode and owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) mode: RawMode,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Attributes {
    /// Those of an open file, as far as the kernel knows them by itself: no server is asked.
    pub(crate) fn of(file: impl AsFd) -> std::result::Result<Attributes, Errno> {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let wanted = StatxFlags::TYPE | StatxFlags::MODE | StatxFlags::UID | StatxFlags::GID;
        let stat = statx(file, "", flags, wanted)?;
        Ok(Attributes {
            mode: stat.stx_mode.into(),
            uid: stat.stx_uid,
            gid: stat.stx_gid,
        })
    }

    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind() == FileType::Directory
    }
}

/// What was found, by paths relative to the root of the overlay.
#[derive(Debug)]
pub(crate) struct Seen(BTreeMap<PathBuf, std::result::Result<Attributes, Errno>>);

impl Seen {
    /// Looks at every path of the front of `overlay`, and at the directories above. `source` is the
    /// root of the overlay's file system on the host.
    pub(crate) fn by_user(
        overlay: &Overlay,
        identity: &Identity,
        source: &OwnedFd,
    ) -> Result<Seen> {
        let alone = clone_mount(source, false, &MountAttr::default())?;
        let look = || {
            let mut seen = BTreeMap::from([(PathBuf::new(), Attributes::of(&alone))]);
            let mut trail = Trail::new(alone, OFlags::PATH);
            for front in &overlay.front {
                let (path, mounted) = match front {
                    Front::EmptyMount(path) => (path, true),
                    Front::Empty(path)
                    | Front::MountPoint(path)
                    | Front::Covered(path)
                    | Front::Locked(path, _) => (path, false),
                };
                let path = path.strip_prefix(&overlay.at).unwrap_or(path);
                let mut above: Vec<&Path> = path.ancestors().collect();
                above.reverse();
                for here in above {
                    if !seen.contains_key(here) {
                        seen.insert(here.to_owned(), one(&mut trail, here));
                    }
                }
                if mounted {
                    seen.insert(path.to_owned(), on_the_host(source, path));
                }
            }
            Ok(Seen(seen))
        };
        as_user(identity, look).doing("look at", || overlay.at.display())
    }

    /// What is at `path`.
    pub(crate) fn at(&self, path: &Path) -> std::result::Result<Attributes, Errno> {
        self.0.get(path).copied().unwrap_or(Err(Errno::NOENT))
    }
}

fn one(trail: &mut Trail, path: &Path) -> std::result::Result<Attributes, Errno> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL);
    };
    let file = open_beneath(trail.to(above)?, Path::new(name), OFlags::PATH)?;
    Attributes::of(file)
}

/// What a place shows on which the host has mounted a file system of its own.
fn on_the_host(source: &OwnedFd, path: &Path) -> std::result::Result<Attributes, Errno> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Attributes::of(source);
    };
    let above = open_beneath(source, above, OFlags::PATH | OFlags::DIRECTORY)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let into = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Attributes::of(openat2(above, name, flags, Mode::empty(), into)?)
}

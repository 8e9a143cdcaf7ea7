//! What an environment's changes have of the package database: names, looked at by root without reading a file.

use super::{FILES, INFO, LIBRARY, MOST_NAMES, TRIGGERS, UNFINISHED};
use crate::error::{Context, Result};
use crate::overlayfs::marks;
use crate::plan::upper_name;
use crate::tree::WITHIN;
use caddis_packages::{Entry, STATUS};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, StatxFlags, fstat, openat2, statat, statx,
};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The names, each with what it is.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Files to be merged, from `/var/lib` on.
    pub(super) files: BTreeSet<String>,
    /// In `dpkg/info`.
    pub(super) info: BTreeMap<Vec<u8>, Entry>,
    /// What is in `dpkg/info` below does not show.
    pub(super) opaque: bool,
    /// The user's `status`, to find out whether it was changed since.
    pub(super) status: Option<Stat>,
}

/// An environment's changes below `/var/lib`.
#[derive(Debug)]
pub(super) struct Layer {
    dpkg: Place,
    apt: Place,
}

/// The changes of a directory of the base's.
#[derive(Debug)]
enum Place {
    /// There are none.
    Nothing,
    /// They are in this one.
    Directory(OwnedFd),
    /// The user has taken it away, or put something else in its place.
    Other,
}

impl Place {
    fn directory(&self) -> Option<&OwnedFd> {
        match self {
            Place::Directory(directory) => Some(directory),
            _ => None,
        }
    }
}

impl Layer {
    pub(super) fn open(environment: &OwnedFd) -> Result<Layer> {
        Ok(Layer {
            dpkg: own_directory(environment, "dpkg")?,
            apt: own_directory(environment, "apt")?,
        })
    }

    /// Whether dpkg's directory is no directory there, so that nobody knows where its database is.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self.dpkg, Place::Other)
    }

    /// Whether there is a version of the user's of any file that counts.
    pub(super) fn has_database(&self) -> bool {
        let mut paths = FILES.into_iter();
        paths.any(|path| self.look(path).is_some())
    }

    /// Whether dpkg may be running on a copy that it has yet to write: it begins with its lock.
    pub(super) fn has_lock(&self) -> bool {
        ["dpkg/lock", "dpkg/lock-frontend"]
            .iter()
            .any(|path| self.look(path).is_some())
    }

    /// All names.
    pub(super) fn names(&self) -> Result<Names> {
        let mut names = Names::default();
        let files = FILES.into_iter().filter(|path| self.look(path).is_some());
        names.files.extend(files.map(str::to_owned));
        names.status = self.look(STATUS);
        let Some(dpkg) = self.dpkg.directory() else {
            return Ok(names);
        };
        for (name, _) in list(dpkg, TRIGGERS)?.1 {
            if let Ok(name) = String::from_utf8(name)
                && !name.ends_with(UNFINISHED)
            {
                names.files.insert(format!("{TRIGGERS}/{name}"));
            }
        }
        (names.opaque, names.info) = list(dpkg, INFO)?;
        names.opaque |= is_opaque(dpkg)?;
        Ok(names)
    }

    fn look(&self, path: &str) -> Option<Stat> {
        let (directory, name) = path.split_once('/')?;
        let directory = if directory == "dpkg" {
            &self.dpkg
        } else {
            &self.apt
        };
        statat(directory.directory()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }
}

/// Opens an environment's own `/var/lib/dpkg/status` for reading. `None`: it has none, or it is no file.
pub fn own_status(environment: &OwnedFd) -> Result<Option<OwnedFd>> {
    let place = own_directory(environment, "dpkg")?;
    let Some(dpkg) = place.directory() else {
        return Ok(None);
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat2(dpkg, "status", flags, Mode::empty(), WITHIN) {
        Ok(file) => file,
        // Not there, taken away, a link, a FIFO, a device.
        Err(Errno::NOENT | Errno::NXIO | Errno::LOOP | Errno::NODEV) => return Ok(None),
        Err(errno) => return Err(errno).doing("open", || "the environment's package database"),
    };
    let stat = fstat(&file).doing("stat", || "the environment's package database")?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    Ok(regular.then_some(file))
}

/// The changes of `/var/lib/NAME`.
fn own_directory(environment: &OwnedFd, name: &str) -> Result<Place> {
    let path = Path::new(LIBRARY).join(name);
    let Some(mount) = mount_of(&path) else {
        return Ok(Place::Nothing);
    };
    let relative = path.strip_prefix(&mount).unwrap_or(&path);
    let upper = Path::new(&upper_name(&mount)).join(relative);
    open_directory(environment, &upper)
}

fn open_directory(parent: &OwnedFd, path: &Path) -> Result<Place> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat2(parent, path, flags, Mode::empty(), WITHIN) {
        Ok(directory) => Ok(Place::Directory(directory)),
        Err(Errno::NOENT) => Ok(Place::Nothing),
        Err(Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(Place::Other),
        Err(errno) => Err(errno).doing("open", || path.display()),
    }
}

/// The mount point on the host of what is at `path`, whose changes have a layer of their own.
fn mount_of(path: &Path) -> Option<PathBuf> {
    let mount = |path: &Path| {
        let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID).ok()?;
        Some(found.stx_mnt_id)
    };
    let own = mount(path)?;
    let mut above = path
        .ancestors()
        .skip(1)
        .take_while(|above| mount(above) == Some(own));
    Some(above.by_ref().last().unwrap_or(path).to_owned())
}

/// Whether the base's names are hidden, and the layer's own ones.
fn list(dpkg: &OwnedFd, path: &str) -> Result<(bool, BTreeMap<Vec<u8>, Entry>)> {
    let relative = Path::new(path.strip_prefix("dpkg/").unwrap_or(path));
    let Place::Directory(directory) = open_directory(dpkg, relative)? else {
        return Ok((false, BTreeMap::new()));
    };
    let opaque = is_opaque(&directory)?;
    let names = Dir::new(directory).and_then(|entries| {
        let entries = entries.take(MOST_NAMES);
        let names = entries.map(|entry| {
            let entry = entry?;
            let whiteout = entry.file_type() == FileType::CharacterDevice;
            let kind = if whiteout {
                Entry::Whiteout
            } else {
                Entry::File
            };
            Ok((entry.file_name().to_bytes().to_vec(), kind))
        });
        names.collect::<std::result::Result<BTreeMap<_, _>, Errno>>()
    });
    let mut names = names.doing("list", || path)?;
    names.retain(|name, _| name != b"." && name != b"..");
    Ok((opaque, names))
}

fn is_opaque(directory: impl AsFd) -> Result<bool> {
    let marks = marks(directory).doing("read the attributes of", || "the environment's changes")?;
    Ok(marks.opaque)
}

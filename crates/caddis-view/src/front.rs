//! The front layer: directories and files of an instance that hide the base's, in the instance's memory.

use crate::accounts::Accounts;
use crate::error::{Context, Result, write_all};
use crate::identity::Identity;
use crate::overlayfs::OPAQUE;
use crate::plan::{Front, Locked, Overlay};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, XattrFlags, chmodat, chownat, lsetxattr, lstat,
    mkdirat, mknodat, openat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Builds the front layer of `overlay` in the directory `name` of the working directory. The file mode
/// creation mask is 0.
///
/// A directory of the front that the base has too lends the merged one its owner and mode, so each
/// gets those of the base's.
pub(crate) fn build(name: &str, overlay: &Overlay, identity: &Identity) -> Result<()> {
    let mut layer = Layer {
        top: Path::new(name),
        at: &overlay.at,
        identity,
        made: BTreeSet::new(),
        accounts: None,
    };
    layer.directory(Path::new(""), None)?;
    for front in &overlay.front {
        match front {
            Front::Covered(path) if is_file(path) => {
                let Some(file) = layer.place(path)? else {
                    continue;
                };
                layer.file(&file, b"", 0o644)?;
            }
            Front::Covered(path) => layer.empty(path)?,
            Front::Empty(path) => {
                let within =
                    |other: &Front| matches!(other, Front::MountPoint(at) if at.starts_with(path));
                layer.private(path, overlay.front.iter().any(within))?;
            }
            Front::MountPoint(path) => {
                layer.directories(path, Some((identity.uid, identity.gid)))?;
            }
            Front::Locked(path, kind) => layer.locked(path, *kind)?,
        }
    }
    Ok(())
}

fn is_file(path: &Path) -> bool {
    lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory)
}

struct Layer<'a> {
    top: &'a Path,
    at: &'a Path,
    identity: &'a Identity,
    /// What there is already, relative to the top.
    made: BTreeSet<PathBuf>,
    /// The host's users and groups, read when they are needed first.
    accounts: Option<Accounts>,
}

impl Layer<'_> {
    /// What the base has at `path`, without content. Where it has nothing, nothing shows that appears there later,
    /// like a log that is rotated; only what is to be mounted in it needs a directory.
    fn private(&mut self, path: &Path, needed: bool) -> Result<()> {
        let stat = match lstat(path) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => Some(stat),
            Err(Errno::NOENT) if !needed => None,
            Ok(_) | Err(Errno::NOENT) => return self.empty(path),
            Err(errno) => return Err(errno).doing("look at", || path.display()),
        };
        let Some(place) = self.place(path)? else {
            return Ok(());
        };
        if let Some(stat) = stat {
            return self.like(&place, b"", &stat);
        }
        let whiteout = Mode::empty();
        mknodat(CWD, &place, FileType::CharacterDevice, whiteout, 0)
            .doing("hide", || place.display())
    }

    /// A directory through which nothing of the layers below shows; see "opaque directories" in the kernel's
    /// documentation of overlayfs.
    fn empty(&mut self, path: &Path) -> Result<()> {
        let here = self.directories(path, None)?;
        lsetxattr(&here, OPAQUE, b"y", XattrFlags::empty())
            .doing("set trusted.overlay.opaque on", || here.display())
    }

    /// The directory `path` of the base, and those above it. `own`: the last one is this user's alone.
    fn directories(&mut self, path: &Path, own: Option<(u32, u32)>) -> Result<PathBuf> {
        let relative = path.strip_prefix(self.at).unwrap_or(path);
        let mut here = PathBuf::new();
        for component in relative.components() {
            here.push(component);
            self.directory(&here, own.filter(|_| here == relative))?;
        }
        Ok(self.top.join(relative))
    }

    fn directory(&mut self, relative: &Path, own: Option<(u32, u32)>) -> Result<()> {
        if !self.made.insert(relative.to_owned()) {
            return Ok(());
        }
        let base = lstat(self.at.join(relative))
            .ok()
            .filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let (uid, gid, mode) = match (own, base) {
            (Some((uid, gid)), _) => (uid, gid, 0o700),
            (None, Some(stat)) => {
                let (uid, gid) = self.owner(&stat);
                (uid, gid, stat.st_mode & 0o7777)
            }
            (None, None) => (self.identity.host_uid(0), self.identity.host_gid(0), 0o755),
        };
        let here = self.top.join(relative);
        let bits = Mode::from_raw_mode(mode);
        mkdirat(CWD, &here, bits).doing("create", || here.display())?;
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(CWD, &here, owner, group, AtFlags::SYMLINK_NOFOLLOW)
            .doing("chown", || here.display())?;
        // mkdir(2) knows no more than the sticky bit and the permissions.
        if mode & 0o6000 != 0 {
            chmodat(CWD, &here, bits, AtFlags::empty()).doing("chmod", || here.display())?;
        }
        Ok(())
    }

    /// The ids that the owner and the group of something of the base have in the environment's layers.
    fn owner(&self, stat: &Stat) -> (u32, u32) {
        (
            self.identity.host_uid(stat.st_uid),
            self.identity.host_gid(stat.st_gid),
        )
    }

    /// Where the file `path` of the base is to be, with the directories above it.
    fn place(&mut self, path: &Path) -> Result<Option<PathBuf>> {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        Ok(Some(self.directories(above, None)?.join(name)))
    }

    fn file(&self, file: &Path, text: &[u8], mode: u32) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let opened = openat(CWD, file, flags, Mode::from_raw_mode(mode))
            .doing("create", || file.display())?;
        write_all(&opened, text).doing("write", || file.display())
    }

    /// A file like the base's, with the same owner and mode, in which every password is locked. None if the
    /// user can read the base's, or if there is none.
    fn locked(&mut self, path: &Path, kind: Locked) -> Result<()> {
        let Ok(stat) = lstat(path) else {
            return Ok(());
        };
        let identity = self.identity;
        let readable = stat.st_mode & 0o004 != 0
            || (stat.st_mode & 0o040 != 0 && identity.groups.contains(&stat.st_gid))
            || stat.st_uid == identity.uid;
        if readable || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let accounts = match self.accounts.take() {
            Some(read) => read,
            None => Accounts::read(0)?,
        };
        let text = match kind {
            Locked::Shadow => accounts.shadow(),
            Locked::Gshadow => accounts.gshadow(),
        };
        self.accounts = Some(accounts);
        let Some(file) = self.place(path)? else {
            return Ok(());
        };
        self.like(&file, &text, &stat)
    }

    /// A file with the owner and the mode of one of the base's.
    fn like(&self, file: &Path, text: &[u8], stat: &Stat) -> Result<()> {
        self.file(file, text, stat.st_mode & 0o777)?;
        let (uid, gid) = self.owner(stat);
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(CWD, file, owner, group, AtFlags::SYMLINK_NOFOLLOW)
            .doing("chown", || file.display())
    }
}

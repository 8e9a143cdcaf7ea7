//! The front layer: directories and files of an instance that hide the base's, in the instance's memory.

use crate::accounts::Accounts;
use crate::error::{Context, Result, write_all};
use crate::identity::Identity;
use crate::memory::Memory;
use crate::overlayfs::OPAQUE;
use crate::plan::{Front, Locked, Overlay};
use crate::seen::{Attributes, Seen};
use crate::tree::Trail;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, XattrFlags, chownat, fchmod, fchown, fsetxattr, mkdirat,
    mknodat, openat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Builds the front layer of `overlay` in the directory `name` of `memory`. The file mode creation
/// mask is 0.
///
/// A directory of the front that the base has too lends the merged one its owner and mode, so each
/// gets those of the base's, as far as the user can see them there.
pub(crate) fn build(
    memory: &Memory,
    name: &str,
    overlay: &Overlay,
    identity: &Identity,
    source: &OwnedFd,
) -> Result<()> {
    let seen = Seen::by_user(overlay, identity, source)?;
    memory.directory(name, 0o755)?;
    let top = openat(memory.mount(), name, DIRECTORY, Mode::empty()).doing("open", || name)?;
    let mut layer = Layer {
        trail: Trail::new(top, OFlags::RDONLY),
        at: &overlay.at,
        identity,
        seen,
        made: BTreeSet::new(),
        accounts: None,
    };
    layer.root()?;
    let inside = |path: &Path| path.strip_prefix(&overlay.at).unwrap_or(path).to_owned();
    for front in &overlay.front {
        match front {
            Front::Covered(path) => layer.covered(&inside(path))?,
            Front::Empty(path) | Front::EmptyMount(path) => {
                let within =
                    |other: &Front| matches!(other, Front::MountPoint(at) if at.starts_with(path));
                layer.private(&inside(path), overlay.front.iter().any(within))?;
            }
            Front::MountPoint(path) => {
                layer.directories(&inside(path), Some((identity.uid, identity.gid)))?;
            }
            Front::Locked(path, kind) => layer.locked(&inside(path), *kind)?,
        }
    }
    Ok(())
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// All paths are relative to the root of the layer.
struct Layer<'a> {
    /// The way to the directory that was made last.
    trail: Trail,
    at: &'a Path,
    identity: &'a Identity,
    seen: Seen,
    /// What there is already.
    made: BTreeSet<PathBuf>,
    /// The host's users and groups, read when they are needed first.
    accounts: Option<Accounts>,
}

impl Layer<'_> {
    /// What hides what the base has under a mount.
    fn covered(&mut self, path: &Path) -> Result<()> {
        match self.seen.at(path) {
            Ok(base) if !base.is_directory() => self.file(path, b"", 0o644, None),
            _ => self.empty(path),
        }
    }

    /// The base's file at `path`, without content. If there is none, nothing that appears there
    /// later is shown, like a log that is rotated; only a place for a mount needs a directory. Nor
    /// is anything shown where the user cannot look on the host, since the user must not learn
    /// whether there is something.
    fn private(&mut self, path: &Path, needed: bool) -> Result<()> {
        match self.seen.at(path) {
            Ok(base) if !base.is_directory() => {
                let mode = base.mode & 0o777;
                self.file(path, b"", mode, Some(base))
            }
            Ok(_) => self.empty(path),
            Err(_) if needed => self.empty(path),
            Err(_) => {
                let Some(name) = path.file_name() else {
                    return Ok(());
                };
                let whiteout = Mode::empty();
                let above = self.above(path)?;
                mknodat(above, name, FileType::CharacterDevice, whiteout, 0)
                    .doing("hide", || self.shown(path))
            }
        }
    }

    /// A directory through which nothing of the layers below shows; see "opaque directories" in the kernel's
    /// documentation of overlayfs.
    fn empty(&mut self, path: &Path) -> Result<()> {
        self.directories(path, None)?;
        let here = self.open(path)?;
        fsetxattr(here, OPAQUE, b"y", XattrFlags::empty())
            .doing("set trusted.overlay.opaque on", || self.shown(path))
    }

    /// The directory `path` of the base, and those above it. `own`: the last one is this user's alone.
    fn directories(&mut self, path: &Path, own: Option<(u32, u32)>) -> Result<()> {
        let mut above: Vec<&Path> = path.ancestors().collect();
        // The root of the layer.
        above.pop();
        for here in above.into_iter().rev() {
            if !self.made.contains(here) {
                self.directory(here, own.filter(|_| here == path))?;
                self.made.insert(here.to_owned());
            }
        }
        Ok(())
    }

    fn directory(&mut self, path: &Path, own: Option<(u32, u32)>) -> Result<()> {
        let Some(name) = path.file_name() else {
            return Ok(());
        };
        let above = self.open(path.parent().unwrap_or(Path::new("")))?;
        mkdirat(above, name, Mode::RWXU).doing("create", || self.shown(path))?;
        self.give(path, own)
    }

    /// The root of the layer gets owner and mode of the base's.
    fn root(&mut self) -> Result<()> {
        self.give(Path::new(""), None)
    }

    fn give(&mut self, path: &Path, own: Option<(u32, u32)>) -> Result<()> {
        let base = self.seen.at(path);
        let (uid, gid, mode) = match (own, base) {
            (Some((uid, gid)), _) => (uid, gid, 0o700),
            (None, Ok(base)) if base.is_directory() => {
                let (uid, gid) = self.owner(&base);
                (uid, gid, base.mode & 0o7777)
            }
            _ => (self.identity.host_uid(0), self.identity.host_gid(0), 0o755),
        };
        let here = self.open(path)?;
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fchown(here, owner, group).doing("chown", || self.shown(path))?;
        let here = self.open(path)?;
        fchmod(here, Mode::from_raw_mode(mode)).doing("chmod", || self.shown(path))
    }

    /// The ids that the owner and the group of something of the base have in the environment's layers.
    fn owner(&self, base: &Attributes) -> (u32, u32) {
        (
            self.identity.host_uid(base.uid),
            self.identity.host_gid(base.gid),
        )
    }

    /// The directory in which `path` is to be, made with those above it.
    fn above(&mut self, path: &Path) -> Result<&OwnedFd> {
        let above = path.parent().unwrap_or(Path::new("")).to_owned();
        self.directories(&above, None)?;
        self.open(&above)
    }

    fn open(&mut self, path: &Path) -> Result<&OwnedFd> {
        let at = self.at;
        self.trail
            .to(path)
            .doing("open", || at.join(path).display().to_string())
    }

    fn shown(&self, path: &Path) -> String {
        self.at.join(path).display().to_string()
    }

    /// A file with the owner of the base's file, or else of the process that makes it.
    fn file(
        &mut self,
        path: &Path,
        text: &[u8],
        mode: u32,
        like: Option<Attributes>,
    ) -> Result<()> {
        let Some(name) = path.file_name() else {
            return Ok(());
        };
        let owner = like.map(|base| self.owner(&base));
        let above = self.above(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let made = || -> std::result::Result<(), Errno> {
            let opened = openat(above, name, flags, Mode::from_raw_mode(mode))?;
            write_all(&opened, text)?;
            let Some((uid, gid)) = owner else {
                return Ok(());
            };
            let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            chownat(above, name, owner, group, AtFlags::SYMLINK_NOFOLLOW)
        };
        made().doing("create", || self.shown(path))
    }

    /// A file like the base's, with the same owner and mode, in which every password is locked. None if the
    /// user can read the base's, or if there is none.
    fn locked(&mut self, path: &Path, kind: Locked) -> Result<()> {
        let Ok(base) = self.seen.at(path) else {
            return Ok(());
        };
        let identity = self.identity;
        let readable = base.mode & 0o004 != 0
            || (base.mode & 0o040 != 0 && identity.groups.contains(&base.gid))
            || base.uid == identity.uid;
        if readable || base.kind() != FileType::RegularFile {
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
        self.file(path, &text, base.mode & 0o777, Some(base))
    }
}

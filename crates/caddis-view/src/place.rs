//! Finds and makes the places of a view where something is mounted.
//!
//! The changes of the environment are merged by now, so names and links on the way are the user's own,
//! and a link may lead from the view's own file systems into one of the host that is passed through.
//! So places are looked up and made as container root, without any of root's capabilities over files (see
//! [`View::places`]), and made only on file systems that are the view's own.

use crate::credentials::{as_container_root, as_user};
use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::layers::attach;
use crate::seen::Attributes;
use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// How often a place is looked up; see `open`.
const TRIES: u32 = 1000;

/// What to do when the view has no place for a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The user cannot reach it on the host either, or has removed it: mount nothing.
    PassOver,
    /// Make a directory if that is possible.
    Create,
    /// Make a file if that is possible.
    CreateFile,
    /// Make a directory; without it there is no view.
    Insist,
}

impl Missing {
    /// Make what `file`, which is to be mounted there, is itself.
    pub(crate) fn like(file: impl AsFd) -> std::result::Result<Missing, Errno> {
        Ok(match Attributes::of(file)?.is_directory() {
            true => Missing::Create,
            false => Missing::CreateFile,
        })
    }
}

/// The file systems of a view, as far as they are mounted.
#[derive(Debug)]
pub(crate) struct View<'a> {
    root: &'a OwnedFd,
    identity: Identity,
    /// The device numbers of the view's own file systems: its overlays and its memory.
    own: Vec<u64>,
    resolve: ResolveFlags,
}

impl<'a> View<'a> {
    /// A view with this root.
    pub(crate) fn new(root: &'a OwnedFd, identity: &Identity) -> Result<View<'a>> {
        let mut view = View {
            root,
            identity: identity.clone(),
            own: Vec::new(),
            resolve: ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        };
        view.own(root)?;
        Ok(view)
    }

    /// The same for one that stands: a link of the user's on the way is no way any more.
    pub(crate) fn without_links(self) -> View<'a> {
        let resolve = self.resolve | ResolveFlags::NO_SYMLINKS;
        View { resolve, ..self }
    }

    /// Whether this file is on a file system of the view's own.
    pub(crate) fn has(&self, file: impl AsFd) -> std::result::Result<bool, Errno> {
        Ok(self.own.contains(&fstat(file)?.st_dev))
    }

    /// Mount points may be made on the file system that `mount` is on.
    pub(crate) fn own(&mut self, mount: impl AsFd) -> Result<()> {
        self.own
            .push(fstat(mount).doing("stat", || "a mount of the view")?.st_dev);
        Ok(())
    }

    /// The root directory.
    pub(crate) fn root(&self) -> &OwnedFd {
        self.root
    }

    /// Runs `action` as container root, with no capability but the one to mount.
    pub(crate) fn places<T>(identity: &Identity, action: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = as_container_root(identity, CapabilitySet::SYS_ADMIN, || Ok(action()));
        done.doing("take the ids of", || "container root")?
    }

    /// Mounts `mount` at `path`.
    pub(crate) fn show(&self, mount: &OwnedFd, path: &Path, missing: Missing) -> Result<()> {
        let Some(place) = self.place(path, missing)? else {
            return Ok(());
        };
        match attach(mount, place) {
            // There is a file where a directory belongs, or the other way round.
            Err(Errno::INVAL) if missing != Missing::Insist => Ok(()),
            other => other.doing("mount on", || path.display()),
        }
    }

    /// Mounts what `mount` makes at `path`, for a directory, or for a file if there is one.
    /// `directory`: which of the two the host has there, if known; a place of the other kind is
    /// left as it is.
    pub(crate) fn show_fitting(
        &self,
        path: &Path,
        missing: Missing,
        directory: Option<bool>,
        mount: impl FnOnce(bool) -> Result<OwnedFd>,
    ) -> Result<()> {
        let Some(place) = self.place(path, missing)? else {
            return Ok(());
        };
        let found = Attributes::of(&place).doing("look at", || path.display())?;
        if directory.is_some_and(|directory| directory != found.is_directory()) {
            return Ok(());
        }
        let mount = mount(found.is_directory())?;
        attach(&mount, place).doing("mount on", || path.display())
    }

    /// Where something is to be mounted, made if need be. `None`: nowhere.
    fn place(&self, path: &Path, missing: Missing) -> Result<Option<OwnedFd>> {
        let place = match self.find(path) {
            Err(Errno::NOENT) if missing != Missing::PassOver => {
                self.make(path, missing).and_then(|()| self.find(path))
            }
            other => other,
        };
        match place {
            Ok(place) => Ok(Some(place)),
            Err(
                Errno::NOENT
                | Errno::ACCESS
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::XDEV
                | Errno::PERM
                | Errno::ROFS,
            ) if missing != Missing::Insist => Ok(None),
            Err(errno) => Err(errno).doing("make the mount point", || path.display()),
        }
    }

    /// As container root, else as the user: either may have closed a directory to the other.
    pub(crate) fn find(&self, path: &Path) -> std::result::Result<OwnedFd, Errno> {
        let open = || self.open(path, OFlags::empty());
        match open() {
            Err(Errno::ACCESS) => as_user(&self.identity, open),
            other => other,
        }
    }

    fn open(&self, path: &Path, more: OFlags) -> std::result::Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | more;
        let open = || openat2(self.root, path, flags, Mode::empty(), self.resolve);
        // Whenever anything is renamed or mounted on the machine while the kernel goes up by a `..` of the user's,
        // it asks to be asked again.
        (0..TRIES)
            .map(|_| open())
            .find(|opened| !matches!(opened, Err(Errno::AGAIN)))
            .unwrap_or(Err(Errno::NOENT))
    }

    /// Makes a mount point and the directories above it.
    pub(crate) fn make(&self, path: &Path, missing: Missing) -> std::result::Result<(), Errno> {
        let mut walked = PathBuf::from("/");
        let count = path.components().count();
        for (index, component) in path.components().enumerate().skip(1) {
            let parent = self.open(&walked, OFlags::DIRECTORY)?;
            let file = index + 1 == count && missing == Missing::CreateFile;
            match self.make_one(&parent, component.as_os_str().as_ref(), file) {
                Ok(()) | Err(Errno::EXIST) => walked.push(component),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn make_one(
        &self,
        parent: &OwnedFd,
        name: &Path,
        file: bool,
    ) -> std::result::Result<(), Errno> {
        if openat(
            parent,
            name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .is_ok()
        {
            return Ok(());
        }
        if !self.has(parent)? {
            return Err(Errno::XDEV);
        }
        if file {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            openat(parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
        } else {
            mkdirat(parent, name, Mode::from_raw_mode(0o755))
        }
    }
}

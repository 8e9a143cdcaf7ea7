//! New sessions see new files. What a process of an environment holds open or mapped keeps its name in the kernel's
//! cache, in the guard too, where nothing can be renamed; so whoever comes later would get the old file for as long as
//! that process lives. Such a name is given a copy of the base's new file, by a rename in the environment's own overlay:
//! a reader sees the old file or the new one, and those who hold the old one notice nothing.
//!
//! The copy is marked, so that it never counts as the user's; it is given back when the instance has ended.
//!
//! All that is written is written through the environment's overlay, as container root could do it; what is read of
//! the base is opened with the user's own rights.

mod list;
mod mark;
mod swap;
mod upper;

use caddis_view::credentials::{as_container_root, as_user};
use caddis_view::error::Context;
use caddis_view::held::{Held, Layers};
use caddis_view::patient::open_directory;
use caddis_view::refresh::Overlays;
use caddis_view::{Error, Identity, Instance, Result};
use list::{Entry, List};
pub use mark::Mark;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, readlinkat,
    statat,
};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use swap::{Base, beside, swap};
use upper::{Own, clear, own, take_away};

/// Renews names of a running instance.
#[derive(Debug)]
pub struct Renewal<'a> {
    identity: &'a Identity,
    environment: &'a OwnedFd,
    overlays: Overlays,
    layers: Layers,
    /// The root directory of the instance.
    root: OwnedFd,
}

impl<'a> Renewal<'a> {
    /// For an instance of `identity`'s, which is locked; `environment` is the environment's directory on disk. `None`:
    /// it has ended.
    pub fn of(
        instance: &Instance,
        identity: &'a Identity,
        environment: &'a OwnedFd,
    ) -> Result<Option<Renewal<'a>>> {
        let Some(overlays) = Overlays::of(instance)? else {
            return Ok(None);
        };
        let layers = Layers::of(instance, &overlays)?;
        let path = format!("/proc/{}/root", instance.pid.as_raw_nonzero());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path.as_str(), flags, Mode::empty());
        // It was the instance's if that still lives.
        if instance.has_ended()? {
            return Ok(None);
        }
        Ok(Some(Renewal {
            identity,
            environment,
            overlays,
            layers,
            root: root.doing("open", || path)?,
        }))
    }

    /// Renews what `processes` (ids on the host) of the instance hold and the base has replaced. What could not be
    /// renewed is returned as errors: it is no reason not to let a session in.
    pub fn run(&self, processes: &[i32]) -> Result<Vec<Error>> {
        let mut list = List::read(self.environment)?.unwrap_or_default();
        let again = self.former(&mut list)?;
        let mut outdated = BTreeSet::new();
        for process in processes {
            let held = self.layers.held_by(*process).into_iter();
            outdated.extend(held.filter(|held| held.is_outdated().unwrap_or(false)));
        }
        let names = outdated.iter().map(|held| Entry {
            at: held.at.clone(),
            path: held.path.clone(),
        });
        let names: BTreeSet<Entry> = names.chain(again).collect();
        let renewed = names
            .iter()
            .map(|entry| self.renew(entry, &outdated, &mut list));
        Ok(renewed.filter_map(Result::err).collect())
    }

    /// Goes through what was renewed before: what has become the user's is struck off. The others, of which the base may
    /// have yet another version, are returned.
    fn former(&self, list: &mut List) -> Result<Vec<Entry>> {
        let before = list.clone();
        let mut again = Vec::new();
        let mut cleared = false;
        for (entry, kind) in &before.entries {
            cleared |= clear(self.environment, entry)?;
            match own(self.environment, entry, Some(kind))? {
                Own::Renewed(_) => again.push(entry.clone()),
                Own::Nothing | Own::Users => {
                    list.entries.remove(entry);
                }
            }
        }
        if cleared || *list != before {
            self.overlays.refresh()?;
            list.write(self.environment)?;
        }
        Ok(again)
    }

    /// Renews one name, if it shows one of the files in `outdated`, or what an earlier renewal has put there.
    fn renew(&self, entry: &Entry, outdated: &BTreeSet<Held>, list: &mut List) -> Result<()> {
        let former = list.entries.get(entry);
        let mark = match own(self.environment, entry, former)? {
            Own::Users => return Ok(()),
            Own::Nothing => None,
            Own::Renewed(mark) => Some(mark),
        };
        let base = self.base(entry)?;
        let current = match (&base, &mark) {
            (Base::Other, _) => return Ok(()),
            (Base::File(_, stat), Some(Some(mark))) => mark.is_current(stat),
            (base, Some(None)) => former == Some(&base.kind()),
            _ => false,
        };
        if mark.is_some() && current {
            return Ok(());
        }
        let failed = |errno| Error::kernel("show the new version of", entry.path.display(), errno);
        let place = || {
            let Some((directory, name)) = self.place(entry)? else {
                return Ok(None);
            };
            match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(Some((directory, name, None))),
                shown => Ok(Some((directory, name, Some(shown?)))),
            }
        };
        let Some((directory, name, shown)) = self.as_container_root(place).map_err(failed)? else {
            return Ok(());
        };
        // The user has nothing to do with this name, and the base has another file of it: what shows is old.
        let old = |shown: &Stat| {
            let mut held = outdated.iter().filter(|held| held.path == entry.path);
            held.any(|held| held.is(shown) || shown.st_nlink == 0)
        };
        if mark.is_none() && !shown.as_ref().is_some_and(old) {
            return Ok(());
        }
        // What is not on the list is the user's, and is not cleared away later.
        let taken = || statat(&directory, beside(name), AtFlags::SYMLINK_NOFOLLOW).is_ok();
        if former.is_none() && self.as_container_root(|| Ok(taken())).map_err(failed)? {
            return Err(failed(Errno::EXIST));
        }
        // Before there is something that it has to name.
        list.entries.insert(entry.clone(), base.kind());
        list.write(self.environment)?;
        self.as_container_root(|| swap(&directory, name, &base, shown.as_ref(), self.identity))
            .map_err(failed)?;
        // From here on every change of it is the user's.
        if matches!(base, Base::File(..))
            && let Some(kind) = upper::settled(self.environment, entry)?
        {
            list.entries.insert(entry.clone(), kind);
            list.write(self.environment)?;
        }
        Ok(())
    }

    /// With the capabilities over files that container root has over its own.
    fn as_container_root<T>(
        &self,
        action: impl FnOnce() -> std::result::Result<T, Errno>,
    ) -> std::result::Result<T, Errno> {
        let kept = CapabilitySet::CHOWN
            | CapabilitySet::DAC_OVERRIDE
            | CapabilitySet::FOWNER
            | CapabilitySet::FSETID
            // For the mark.
            | CapabilitySet::SYS_ADMIN;
        as_container_root(self.identity, kept, action)
    }

    /// The directory of the environment's overlay that a name is in. `None`: there is none, or it is on a file system
    /// that is not the environment's.
    fn place<'e>(
        &self,
        entry: &'e Entry,
    ) -> std::result::Result<Option<(OwnedFd, &'e OsStr)>, Errno> {
        let (Some(above), Some(name)) = (entry.path.parent(), entry.path.file_name()) else {
            return Ok(None);
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let open = |path: &Path| openat2(&self.root, path, flags, Mode::empty(), resolve);
        let directory = match open(above) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::AGAIN) => return Ok(None),
            other => other?,
        };
        let own = self.overlays.environments.iter().any(|overlay| {
            let devices = fstat(overlay).ok().zip(fstat(&directory).ok());
            devices.is_some_and(|(overlay, found)| overlay.st_dev == found.st_dev)
        });
        Ok(own.then_some((directory, name)))
    }

    /// Looks at the base as the user could, and not at what is mounted there, perhaps by the user, on the host.
    fn base(&self, entry: &Entry) -> Result<Base> {
        let path = &entry.path;
        let inside = path.strip_prefix(&entry.at).unwrap_or(path);
        let top = open_directory(self.identity, &entry.at)?;
        let look = || {
            let top = top.as_ref().map_err(|errno| *errno)?;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
            let open = |flags| {
                let flags = flags | OFlags::CLOEXEC;
                openat2(top, inside, flags, Mode::empty(), resolve)
            };
            // Looked at before it is opened: a FIFO would keep us waiting.
            let found = open(OFlags::PATH | OFlags::NOFOLLOW)?;
            let stat = fstat(&found)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    let file = open(OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK)?;
                    let opened = fstat(&file)?;
                    let same = (opened.st_dev, opened.st_ino) == (stat.st_dev, stat.st_ino);
                    Ok(match same {
                        true => Base::File(file, opened),
                        false => Base::Other,
                    })
                }
                FileType::Symlink => Ok(Base::Link(readlinkat(found, "", Vec::new())?)),
                _ => Ok(Base::Other),
            }
        };
        match as_user(self.identity, look) {
            // What the user cannot read any more is lost to the environment, too.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(Base::Nothing),
            Err(Errno::LOOP | Errno::AGAIN | Errno::XDEV) => Ok(Base::Other),
            other => other.doing("look at", || path.display()),
        }
    }
}

/// From now on the copy of the base's file `base` that an upper layer has at `path`, on the file system at `at`, is a
/// renewed one: it follows the base, and is given back when nobody can hold anything any more.
pub fn adopt(environment: &OwnedFd, at: &Path, path: &Path, base: &Stat) -> Result<()> {
    let (at, path) = (at.to_owned(), path.to_owned());
    let entry = Entry { at, path };
    let Some(kind) = upper::mark(environment, &entry, base)? else {
        return Ok(());
    };
    let mut list = List::read(environment)?.unwrap_or_default();
    list.entries.insert(entry, kind);
    list.write(environment)
}

/// The names of an environment that are renewed, as the environment has them: no changes of its user's.
pub fn names(environment: &OwnedFd) -> Result<Vec<PathBuf>> {
    let list = List::read(environment)?.unwrap_or_default();
    let mut names = Vec::new();
    for (entry, kind) in &list.entries {
        if let Own::Renewed(_) = own(environment, entry, Some(kind))? {
            names.push(entry.path.clone());
        }
    }
    Ok(names)
}

/// Gives all renewed names of an environment back, of which no instance runs: nobody holds anything any more.
pub fn give_back(environment: &OwnedFd) -> Result<()> {
    let Some(list) = List::read(environment)? else {
        return Ok(());
    };
    for (entry, kind) in &list.entries {
        clear(environment, entry)?;
        if let Own::Renewed(_) = own(environment, entry, Some(kind))? {
            take_away(environment, entry)?;
        }
    }
    List::default().write(environment)
}

//! The file systems that are watched, and where on the host a directory of theirs is.

use super::places::Places;
use crate::say;
use caddis_policy::Policy;
use caddis_sys::fanotify::{self, Directory};
use caddis_sys::open_by_handle_at;
use caddis_view::error::Context;
use caddis_view::mountinfo::read_for;
use caddis_view::tree::{Local, mount_of, path_of, reopen};
use caddis_view::{Error, Result};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstatvfs, openat2, readlinkat};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What makes an environment's cached names wrong. What is in a file needs no refresh.
const MASK: u64 = fanotify::CREATE
    | fanotify::DELETE
    | fanotify::MOVED_FROM
    | fanotify::MOVED_TO
    | fanotify::ATTRIB
    | fanotify::ONDIR;

/// How many directories are remembered.
const MOST: usize = 16384;

/// The watched file systems.
#[derive(Debug)]
pub(super) struct FileSystems {
    queue: OwnedFd,
    mounts: Vec<Watched>,
    /// The types of file systems that are watched.
    types: Vec<String>,
    /// Where watching failed, so that it is said once.
    refused: BTreeSet<PathBuf>,
    /// Where directories are; `None`: where it does not matter.
    known: HashMap<Box<[u8]>, Option<PathBuf>>,
}

/// A mount of a watched file system. It is not held open: that would keep it from being unmounted.
#[derive(Debug, PartialEq, Eq)]
struct Watched {
    at: PathBuf,
    mount: u64,
    filesystem: u64,
}

impl FileSystems {
    pub(super) fn new() -> Result<FileSystems> {
        let queue = fanotify::init()
            .doing("fanotify_init", || "for the base")
            .map_err(|error| error.hint("the kernel needs CONFIG_FANOTIFY, since 5.9"))?;
        Ok(FileSystems {
            queue,
            mounts: Vec::new(),
            types: Vec::new(),
            refused: BTreeSet::new(),
            known: HashMap::new(),
        })
    }

    /// The queue of events.
    pub(super) fn queue(&self) -> &OwnedFd {
        &self.queue
    }

    /// Watches all that the mount table has now and that matters. All are marked again, which changes nothing for
    /// those that were: a mount in the place of a former one is told from it by nothing that could be relied on.
    ///
    /// Returns where there was none before: what happened there until now was nobody's to see.
    pub(super) fn update(&mut self, policy: &Policy, places: &Places) -> Result<Vec<PathBuf>> {
        let mounts = read_for(0)?;
        let types = &policy.view.overlay_types;
        let local = Local::new(&mounts, types);
        let wanted = mounts
            .iter()
            .filter(|mount| types.contains(&mount.fstype) && places.matter(&mount.at))
            .map(|mount| (mount.at.clone(), mount.id));
        self.known.clear();
        self.types.clone_from(types);
        let before = std::mem::take(&mut self.mounts);
        for (at, mount) in wanted {
            match self.watch(&local, &at) {
                Ok(filesystem) => {
                    self.refused.remove(&at);
                    self.mounts.push(Watched {
                        at,
                        mount,
                        filesystem,
                    });
                }
                // Gone again, or a single file.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => {
                    if self.refused.insert(at.clone()) {
                        say::error(&refusal(&at, errno));
                    }
                }
            }
        }
        let new = self.mounts.iter().filter(|one| !before.contains(one));
        Ok(new.map(|one| one.at.clone()).collect())
    }

    fn watch(&self, local: &Local, at: &Path) -> std::result::Result<u64, Errno> {
        let directory = open_root(local, at)?;
        fanotify::mark_filesystem(&self.queue, &directory, MASK)?;
        Ok(fstatvfs(&directory)?.f_fsid)
    }

    /// Where file systems are watched, for people.
    pub(super) fn describe(&self) -> String {
        let places: Vec<_> = self
            .mounts
            .iter()
            .map(|one| one.at.to_string_lossy())
            .collect();
        match &places[..] {
            [] => "nothing: no file system of the policy's `overlay_types` is mounted".to_owned(),
            some => some.join(", "),
        }
    }

    /// The path of `directory` on the host, if environments see what is in it.
    pub(super) fn place_of(&mut self, directory: Directory<'_>, places: &Places) -> Option<&Path> {
        if !self.known.contains_key(directory.bytes()) {
            if self.known.len() >= MOST {
                self.known.clear();
            }
            let found = self.locate(directory, places);
            self.known.insert(directory.bytes().into(), found);
        }
        self.known.get(directory.bytes())?.as_deref()
    }

    /// A directory with others in it has moved, so nothing is known for certain any more.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// One that is gone is nowhere: its removal is an event of the directory that it was in.
    fn locate(&self, directory: Directory<'_>, places: &Places) -> Option<PathBuf> {
        let filesystem = directory.filesystem();
        let mounts = self
            .mounts
            .iter()
            .filter(|one| one.filesystem == filesystem);
        mounts
            .filter_map(|mount| {
                let path = path_on(mount, &self.types, directory).ok()?;
                // Of what a mount does not show the kernel gives a path as well, which means nothing here.
                path.starts_with(&mount.at).then_some(path)
            })
            .find(|path| places.matter(path))
    }
}

/// Opens the root of what is mounted at `at`.
fn open_root(local: &Local, at: &Path) -> std::result::Result<OwnedFd, Errno> {
    match local.root(at) {
        Ok(root) => reopen(root, OFlags::RDONLY | OFlags::DIRECTORY),
        // The way there leads over a server's, which would have to be asked.
        Err(Errno::XDEV) => Err(Errno::REMOTE),
        Err(errno) => Err(errno),
    }
}

/// Opens the root of a watched mount again, by its path if the kernel can resolve that without
/// asking a server.
fn open_again(mount: &Watched, types: &[String]) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let known = ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
    let found = openat2(CWD, &mount.at, flags, Mode::empty(), known);
    if let Ok(found) = found
        && mount_of(&found)? == mount.mount
    {
        return reopen(&found, OFlags::RDONLY | OFlags::DIRECTORY);
    }
    let mounts = read_for(0).map_err(|error| error.errno.unwrap_or(Errno::IO))?;
    open_root(&Local::new(&mounts, types), &mount.at)
}

/// The path of a directory that is reached through a mount.
fn path_on(
    mount: &Watched,
    types: &[String],
    directory: Directory<'_>,
) -> std::result::Result<PathBuf, Errno> {
    let mount = open_again(mount, types)?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = open_by_handle_at(mount, directory.handle(), flags)?;
    let path = readlinkat(CWD, path_of(&found), Vec::new())?;
    Ok(PathBuf::from(OsStr::from_bytes(path.as_bytes())))
}

fn refusal(at: &Path, errno: Errno) -> Error {
    let error = Error::kernel("watch", at.display(), errno);
    match errno {
        Errno::XDEV => error.hint(
            "the kernel watches no subvolume; run `caddis admin refresh` after changes there",
        ),
        _ => error.hint("run `caddis admin refresh` after changes there"),
    }
}

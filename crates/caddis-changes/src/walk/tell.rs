//! What is told of a name.

use super::{Outcome, Pair, Walk};
use crate::attributes::Attributes;
use crate::change::{Change, What};
use crate::entry::{Entry, Name, Time};
use caddis_view::error::{Context, shown};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Walk<'_> {
    /// Of the same kind on both sides.
    pub(super) fn kept(&mut self, pair: Pair<'_>, old: Entry, new: Entry) -> Outcome<()> {
        let Pair {
            name, upper, below, ..
        } = pair;
        let Some(below) = below else { return Ok(()) };
        let at = |directory| Name { directory, name };
        let (below, upper) = (at(below), at(upper));
        let mut attributes = |name| Attributes::of(name, &mut self.buffer);
        let object = || shown(name);
        let of_old = attributes(below).doing("read the attributes of", object)?;
        let of_new = attributes(upper).doing("read the attributes of", object)?;
        // A link has no mode of its own.
        let mode = new.kind == FileType::Symlink || old.mode == new.mode;
        let owner = (old.uid, old.gid) == (new.uid, new.gid);
        let what = What::Kept {
            content: self.comparer.differ((&old, below), (&new, upper)),
            attributes: !(mode && owner && of_old.same(&of_new)),
        };
        let unchanged = What::Kept {
            content: false,
            attributes: false,
        };
        if what == unchanged {
            return Ok(());
        }
        let shadowed = self.shadowed(pair, &old, &new, of_new.taken(upper));
        (self.tell)(&Change {
            what,
            path: path_of(&self.path),
            old: Some((old, below)),
            new: Some((new, upper)),
            from: None,
            shadowed,
        })
    }

    /// When the base's was changed, if that was after the user's copy was taken. A directory is no copy: it shows what
    /// is below all the time. And a stand-in of ours, which may have been made this moment, is nothing of the base's.
    pub(super) fn shadowed(
        &self,
        pair: Pair<'_>,
        old: &Entry,
        new: &Entry,
        taken: Option<Time>,
    ) -> Option<Time> {
        let taken = taken.or(new.born)?;
        if new.is_directory() || taken >= old.changed {
            return None;
        }
        let path = (pair.place)()?.join(OsStr::from_bytes(pair.name.to_bytes()));
        (!self.is_ours(&path)).then_some(old.changed)
    }

    /// Whether a layer of ours has something at this place below.
    pub(super) fn is_ours(&self, path: &Path) -> bool {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let has = |layer: &OwnedFd| match openat2(layer, path, flags, Mode::empty(), resolve) {
            Err(Errno::NOENT | Errno::NOTDIR) => false,
            // One that cannot be told is treated as if.
            _ => true,
        };
        self.layer.ours.iter().any(has)
    }

    /// Tells of any other change.
    pub(super) fn say(
        &mut self,
        what: What,
        pair: Pair<'_>,
        new: Option<Entry>,
        from: Option<PathBuf>,
    ) -> Outcome<()> {
        let Pair {
            name,
            upper,
            below,
            old,
            ..
        } = pair;
        // Of what was moved there, not of what was there before.
        let old = old.filter(|_| what != What::Added);
        let shadowed = match (&old, &new) {
            (Some(old), Some(new)) => self.shadowed(pair, old, new, None),
            _ => None,
        };
        (self.tell)(&Change {
            what,
            path: path_of(&self.path),
            old: old.zip(below.map(|directory| Name { directory, name })),
            new: new.map(|new| {
                (
                    new,
                    Name {
                        directory: upper,
                        name,
                    },
                )
            }),
            from,
            shadowed,
        })
    }
}

pub(super) fn path_of(path: &[u8]) -> &Path {
    match path {
        b"" => Path::new("/"),
        path => Path::new(OsStr::from_bytes(path)),
    }
}

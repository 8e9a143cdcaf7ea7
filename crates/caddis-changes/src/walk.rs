//! Compares the changes of a file system with what lies below them, name by name.
//!
//! Only what the changes name is looked up below; see "Upper and Lower" and the sections after it in the kernel's
//! documentation of overlayfs for what the marks in them mean. Whoever works in the environment meanwhile is seen
//! before or after, and what vanishes is passed over.

use crate::attributes::Attributes;
use crate::change::{Change, What};
use crate::content::Comparer;
use crate::entry::{Entry, Name, Time, shown};
use crate::layer::{Marks, Redirect, marks, open_directory};
use crate::selection::{Selection, Wanted};
use crate::trail::{Step, Trail, open_below, open_below_path};
use caddis_view::below::Layer;
use caddis_view::error::{Context, Error, Result};
use rustix::fs::{Dir, FileType, Mode, OFlags, openat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a walk does not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// Something could not be read.
    Failed(Error),
    /// Nobody wants to hear more.
    Enough,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

/// Tells of every change in `layer` that is asked for, directories before what is in them, names in the order of
/// their bytes. What lies at a `covered` path is not seen by the environment and passed over.
pub fn walk(
    layer: &Layer,
    covered: &[PathBuf],
    selection: &Selection,
    tell: &mut dyn FnMut(&Change<'_>) -> std::result::Result<(), Stop>,
) -> std::result::Result<(), Stop> {
    let Some(wanted) = selection.at(&layer.at) else {
        return Ok(());
    };
    let inside = covered.iter().filter(|path| **path != layer.at);
    let mut walk = Walk {
        layer,
        covered: inside.map(|path| path.as_os_str().as_bytes()).collect(),
        path: layer.at.as_os_str().as_bytes().to_vec(),
        tell,
        comparer: Comparer::new(),
        buffer: Vec::new(),
    };
    if walk.path == b"/" {
        walk.path.clear();
    }
    walk.run(wanted)
}

/// What is remembered of a directory that the walk is in.
struct State<'s> {
    /// Nothing shows through it: what it does not have itself, and there is below, is deleted.
    pure: bool,
    wanted: Wanted<'s>,
    /// What is left to be looked at.
    names: std::vec::IntoIter<CString>,
    /// How long its path is.
    length: usize,
}

/// A directory to go into.
struct Next<'s> {
    name: CString,
    upper: OwnedFd,
    below: Option<(Step, OwnedFd)>,
    pure: bool,
    wanted: Wanted<'s>,
}

/// What is to be compared under a name.
#[derive(Clone, Copy)]
struct Pair<'a> {
    name: &'a CString,
    upper: &'a OwnedFd,
    below: Option<&'a OwnedFd>,
    /// What there is below.
    old: Option<Entry>,
}

struct Walk<'a> {
    layer: &'a Layer,
    covered: HashSet<&'a [u8]>,
    /// Where the walk is, as the environment has it.
    path: Vec<u8>,
    tell: &'a mut dyn FnMut(&Change<'_>) -> std::result::Result<(), Stop>,
    comparer: Comparer,
    buffer: Vec<u8>,
}

type Outcome<T> = std::result::Result<T, Stop>;

impl Walk<'_> {
    fn run(&mut self, wanted: Wanted<'_>) -> Outcome<()> {
        let upper = open_directory(&self.layer.upper, c".").doing("open", || "the changes")?;
        let below = open_below(&self.layer.below, c".").doing("open", || "what lies below")?;
        self.top(wanted, &upper, below.as_ref())?;
        let next = Next {
            name: CString::default(),
            upper,
            below: below.map(|below| (Step::Top(PathBuf::new()), below)),
            pure: false,
            wanted,
        };
        let mut trail = Trail::new();
        self.enter(&mut trail, next)?;
        while let Some(state) = trail.state() {
            self.path.truncate(state.length);
            let (pure, wanted) = (state.pure, state.wanted);
            let name = state.names.next();
            let (Some(name), Some((upper, below))) = (name, trail.here()) else {
                trail.leave();
                continue;
            };
            self.path.push(b'/');
            self.path.extend_from_slice(name.to_bytes());
            let Some(wanted) = wanted.child(&name) else {
                continue;
            };
            if self.covered.contains(self.path.as_slice()) {
                continue;
            }
            let old = match below {
                Some(below) => Entry::of(below, &name)?,
                None => None,
            };
            let pair = Pair {
                name: &name,
                upper,
                below,
                old,
            };
            let place = || trail.place();
            if let Some(next) = self.visit(pair, pure, wanted, &place)? {
                self.enter(&mut trail, next)?;
            }
        }
        Ok(())
    }

    /// The top of the file system itself.
    fn top(&mut self, wanted: Wanted<'_>, upper: &OwnedFd, below: Option<&OwnedFd>) -> Outcome<()> {
        let (Some(below), true) = (below, wanted.is_all()) else {
            return Ok(());
        };
        let (Some(old), Some(new)) = (Entry::of_directory(below)?, Entry::of_directory(upper)?)
        else {
            return Ok(());
        };
        let name = CString::default();
        let pair = Pair {
            name: &name,
            upper,
            below: Some(below),
            old: Some(old),
        };
        self.kept(pair, old, new)
    }

    fn enter<'s>(&mut self, trail: &mut Trail<State<'s>>, next: Next<'s>) -> Result<()> {
        let below = next.below.as_ref().map(|(_, below)| below);
        let names = match next.wanted.names() {
            Some(names) => names,
            None => list(&next.upper, below.filter(|_| next.pure))
                .doing("list", || self.path().display().to_string())?,
        };
        let state = State {
            pure: next.pure,
            wanted: next.wanted,
            names: names.into_iter(),
            length: self.path.len(),
        };
        trail.enter(next.name, next.upper, next.below, state)
    }

    fn path(&self) -> &Path {
        match self.path.as_slice() {
            b"" => Path::new("/"),
            path => Path::new(OsStr::from_bytes(path)),
        }
    }

    /// Compares one name. Returned is the directory of that name, if what is in it is to be compared as well.
    fn visit<'s>(
        &mut self,
        pair: Pair<'_>,
        pure: bool,
        wanted: Wanted<'s>,
        place: &dyn Fn() -> Option<PathBuf>,
    ) -> Outcome<Option<Next<'s>>> {
        let Pair {
            name, upper, old, ..
        } = pair;
        let new = Entry::of(upper, name)?;
        match (old, new) {
            // Nothing is there now; where the directory lets nothing show through, this may be the only mark.
            (Some(_), Some(new)) if new.is_whiteout() => {
                self.say(What::Deleted, pair, None, None)?
            }
            (Some(_), None) if pure => self.say(What::Deleted, pair, None, None)?,
            (_, None) => {}
            (None, Some(new)) if new.is_whiteout() => {}
            (_, Some(new)) if new.is_directory() => {
                return self.directory(pair, new, pure, wanted, place);
            }
            (None, Some(new)) => self.say(What::Added, pair, Some(new), None)?,
            (Some(old), Some(new)) if old.kind != new.kind => {
                self.say(What::Type, pair, Some(new), None)?;
            }
            (Some(old), Some(new)) => self.kept(pair, old, new)?,
        }
        Ok(None)
    }

    /// A directory of the changes.
    fn directory<'s>(
        &mut self,
        pair: Pair<'_>,
        new: Entry,
        pure: bool,
        wanted: Wanted<'s>,
        place: &dyn Fn() -> Option<PathBuf>,
    ) -> Outcome<Option<Next<'s>>> {
        let upper = match open_directory(pair.upper, pair.name) {
            Ok(upper) => upper,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(None),
            Err(errno) => return Err(errno).doing("open", || shown(pair.name))?,
        };
        let marks = marks(&upper).doing("read the marks of", || shown(pair.name))?;
        let next = |below, pure| Next {
            name: pair.name.clone(),
            upper,
            below,
            pure,
            wanted,
        };
        if let Some((step, below)) = self.moved(pair, &marks, pure, place)? {
            if pair.old.is_some() && wanted.is_all() {
                self.say(What::Deleted, pair, None, None)?;
            }
            let from = match &step {
                Step::Top(path) => path.clone(),
                Step::Child(name) => place()
                    .unwrap_or_default()
                    .join(OsStr::from_bytes(name.to_bytes())),
            };
            // Also where only something in it is asked for: this is why it is there.
            self.say(What::Added, pair, Some(new), Some(self.layer.at.join(from)))?;
            return Ok(Some(next(Some((step, below)), false)));
        }
        let same_place = match &marks.redirect {
            None => true,
            // Moved back to where it was.
            Some(redirect) => !marks.opaque && self.leads_here(redirect, pair, pure, place),
        };
        let pure = pure || marks.opaque || !same_place;
        let below = match (pair.old, pair.below) {
            (Some(old), Some(below)) if old.is_directory() => {
                if wanted.is_all() {
                    self.kept(pair, old, new)?;
                }
                let name = pair.name;
                let below = open_below(below, name).doing("open", || shown(name))?;
                below.map(|below| (Step::Child(name.clone()), below))
            }
            (Some(_), _) => {
                self.say(What::Type, pair, Some(new), None)?;
                None
            }
            (None, _) => {
                if wanted.is_all() {
                    self.say(What::Added, pair, Some(new), None)?;
                }
                None
            }
        };
        Ok(Some(next(below, pure)))
    }

    /// Where a directory that was moved is found below. `None`: it was not, or there is none any more.
    fn moved(
        &self,
        pair: Pair<'_>,
        marks: &Marks,
        pure: bool,
        place: &dyn Fn() -> Option<PathBuf>,
    ) -> Result<Option<(Step, OwnedFd)>> {
        let redirect = match &marks.redirect {
            Some(redirect) if !marks.opaque => redirect,
            _ => return Ok(None),
        };
        if self.leads_here(redirect, pair, pure, place) {
            return Ok(None);
        }
        let found = match redirect {
            Redirect::Absolute(path) => {
                let path = path.strip_prefix("/").unwrap_or(path);
                open_below_path(&self.layer.below, path)
                    .map(|found| found.map(|found| (Step::Top(path.to_owned()), found)))
            }
            // Without anything to merge it with above, a name beside it means nothing.
            Redirect::Sibling(_) if pure => return Ok(None),
            Redirect::Sibling(name) => {
                let (Some(below), Ok(name)) = (pair.below, CString::new(name.as_bytes())) else {
                    return Ok(None);
                };
                open_below(below, &name).map(|found| found.map(|found| (Step::Child(name), found)))
            }
        };
        found.doing("open", || format!("what {} was", shown(pair.name)))
    }

    /// A redirect to where the directory would be found anyway: it was moved back.
    fn leads_here(
        &self,
        redirect: &Redirect,
        pair: Pair<'_>,
        pure: bool,
        place: &dyn Fn() -> Option<PathBuf>,
    ) -> bool {
        let name = OsStr::from_bytes(pair.name.to_bytes());
        match redirect {
            Redirect::Sibling(sibling) => !pure && sibling == name,
            Redirect::Absolute(path) => place().is_some_and(|place| {
                path.strip_prefix("/")
                    .is_ok_and(|path| path == place.join(name))
            }),
        }
    }

    /// Of the same kind on both sides.
    fn kept(&mut self, pair: Pair<'_>, old: Entry, new: Entry) -> Outcome<()> {
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
        let shadowed = shadowed(&old, &new, of_new.taken(upper));
        (self.tell)(&Change {
            what,
            path: path_of(&self.path),
            old: Some((old, below)),
            new: Some((new, upper)),
            from: None,
            shadowed,
        })
    }

    /// Tells of any other change.
    fn say(
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
        } = pair;
        // Of what was moved there, not of what was there before.
        let old = old.filter(|_| what != What::Added);
        let shadowed = match (&old, &new) {
            (Some(old), Some(new)) => shadowed(old, new, None),
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

fn path_of(path: &[u8]) -> &Path {
    match path {
        b"" => Path::new("/"),
        path => Path::new(OsStr::from_bytes(path)),
    }
}

/// When the base's was changed, if that was after the user's copy was taken. A directory is no copy: it shows what
/// is below all the time.
fn shadowed(old: &Entry, new: &Entry, taken: Option<Time>) -> Option<Time> {
    let taken = taken.or(new.born)?;
    (!new.is_directory() && taken < old.changed).then_some(old.changed)
}

/// The names in a directory of the changes, with those of what lies below it if nothing shows through, sorted.
fn list(upper: &OwnedFd, below: Option<&OwnedFd>) -> std::result::Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    collect(upper, &mut names)?;
    if let Some(below) = below {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(below, ".", flags, Mode::empty()) {
            Ok(below) => collect(&below, &mut names)?,
            // The user cannot list it, so nothing is known to be missing.
            Err(Errno::ACCESS | Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn collect(directory: impl AsFd, names: &mut Vec<CString>) -> std::result::Result<(), Errno> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(())
}

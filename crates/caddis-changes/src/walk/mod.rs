//! Compares the changes of a file system with what lies below them, name by name.
//!
//! Only what the changes name is looked up below; see "Upper and Lower" and the sections after it in the kernel's
//! documentation of overlayfs for what the marks in them mean. Whoever works in the environment meanwhile is seen
//! before or after, and what vanishes is passed over.

mod directory;
mod names;
mod tell;

use crate::change::{Change, What};
use crate::content::Comparer;
use crate::entry::Entry;
use crate::selection::{Selection, Wanted};
use crate::trail::{Below, Step, Trail, open_below};
use caddis_view::below::Layer;
use caddis_view::error::{Context, Error, Result};
use caddis_view::tree::open_directory;
use names::list;
use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use tell::path_of;

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
    below: Option<(Step, Below)>,
    pure: bool,
    wanted: Wanted<'s>,
}

/// What is to be compared under a name.
#[derive(Clone, Copy)]
struct Pair<'a> {
    /// Where the directory above is found below, from the top.
    place: &'a dyn Fn() -> Option<PathBuf>,
    name: &'a CString,
    upper: &'a OwnedFd,
    below: Option<&'a OwnedFd>,
    /// As in [`Below`].
    plain: bool,
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
            below: below.map(|directory| {
                let plain = false;
                (Step::Top(PathBuf::new()), Below { directory, plain })
            }),
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
                place: &|| trail.place(),
                name: &name,
                upper,
                below,
                plain: trail.is_plain(),
                old,
            };
            if let Some(next) = self.visit(pair, pure, wanted)? {
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
            place: &|| None,
            name: &name,
            upper,
            below: Some(below),
            plain: false,
            old: Some(old),
        };
        self.kept(pair, old, new)
    }

    fn enter<'s>(&mut self, trail: &mut Trail<State<'s>>, next: Next<'s>) -> Result<()> {
        let below = next.below.as_ref().map(|(_, below)| &below.directory);
        let names = match next.wanted.names() {
            Some(names) => names,
            None => list(&next.upper, below.filter(|_| next.pure))
                .doing("list", || path_of(&self.path).display().to_string())?,
        };
        let state = State {
            pure: next.pure,
            wanted: next.wanted,
            names: names.into_iter(),
            length: self.path.len(),
        };
        trail.enter(next.name, next.upper, next.below, state)
    }

    /// Compares one name. Returned is the directory of that name, if what is in it is to be compared as well.
    fn visit<'s>(
        &mut self,
        pair: Pair<'_>,
        pure: bool,
        wanted: Wanted<'s>,
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
                return self.directory(pair, new, pure, wanted);
            }
            (None, Some(new)) => self.say(What::Added, pair, Some(new), None)?,
            (Some(old), Some(new)) if old.kind != new.kind => {
                self.say(What::Type, pair, Some(new), None)?;
            }
            (Some(old), Some(new)) => self.kept(pair, old, new)?,
        }
        Ok(None)
    }
}

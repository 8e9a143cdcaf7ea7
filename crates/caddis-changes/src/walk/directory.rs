//! A directory of the changes: merged with what lies below, moved, or on its own.

use super::{Next, Outcome, Pair, Walk};
use crate::change::What;
use crate::entry::Entry;
use crate::selection::Wanted;
use crate::trail::{Below, Step, open_below, open_below_path};
use caddis_view::error::{Context, Result, shown};
use caddis_view::overlayfs::{Marks, Redirect, marks};
use caddis_view::tree::open_directory;
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

impl Walk<'_> {
    /// A directory of the changes.
    pub(super) fn directory<'s>(
        &mut self,
        pair: Pair<'_>,
        new: Entry,
        pure: bool,
        wanted: Wanted<'s>,
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
        if let Some((step, below)) = self.moved(pair, &marks, pure)? {
            if pair.old.is_some() && wanted.is_all() {
                self.say(What::Deleted, pair, None, None)?;
            }
            let from = at(&step, pair);
            // Also where only something in it is asked for: this is why it is there.
            self.say(What::Added, pair, Some(new), Some(self.layer.at.join(from)))?;
            let below = self.settle(step, below, pair);
            return Ok(Some(next(Some(below), false)));
        }
        let same_place = match &marks.redirect {
            None => true,
            // Moved back to where it was.
            Some(redirect) => !marks.opaque && self.leads_here(redirect, pair, pure),
        };
        let pure = pure || marks.opaque || !same_place;
        let below = match (pair.old, pair.below) {
            (Some(old), Some(below)) if old.is_directory() => {
                if wanted.is_all() {
                    self.kept(pair, old, new)?;
                }
                let name = pair.name;
                let below = open_below(below, name).doing("open", || shown(name))?;
                let settle = |below| self.settle(Step::Child(name.clone()), below, pair);
                below.map(settle)
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
    pub(super) fn moved(
        &self,
        pair: Pair<'_>,
        marks: &Marks,
        pure: bool,
    ) -> Result<Option<(Step, OwnedFd)>> {
        let redirect = match &marks.redirect {
            Some(redirect) if !marks.opaque => redirect,
            _ => return Ok(None),
        };
        if self.leads_here(redirect, pair, pure) {
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

    /// What lies below a directory, found merged: the base alone where no layer of ours has that directory.
    fn settle(&self, step: Step, merged: OwnedFd, pair: Pair<'_>) -> (Step, Below) {
        let mut below = Below {
            directory: merged,
            plain: pair.plain && matches!(step, Step::Child(_)),
        };
        if !below.plain {
            let path = at(&step, pair);
            if !self.is_ours(&path)
                && let Ok(Some(base)) = open_below_path(&self.layer.base, &path)
            {
                below.directory = base;
                below.plain = true;
            }
        }
        (step, below)
    }

    /// A redirect to where the directory would be found anyway: it was moved back.
    pub(super) fn leads_here(&self, redirect: &Redirect, pair: Pair<'_>, pure: bool) -> bool {
        let name = OsStr::from_bytes(pair.name.to_bytes());
        match redirect {
            Redirect::Sibling(sibling) => !pure && sibling == name,
            Redirect::Absolute(path) => (pair.place)().is_some_and(|place| {
                path.strip_prefix("/")
                    .is_ok_and(|path| path == place.join(name))
            }),
        }
    }
}

/// Where a step leads, from the top of what lies below.
fn at(step: &Step, pair: Pair<'_>) -> PathBuf {
    match step {
        Step::Top(path) => path.clone(),
        Step::Child(name) => {
            let above = (pair.place)().unwrap_or_default();
            above.join(OsStr::from_bytes(name.to_bytes()))
        }
    }
}

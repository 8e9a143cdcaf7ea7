//! Under a running instance. A name that nobody uses is taken away underneath, and a refresh has it looked up anew. A
//! name that a process holds on to is looked up no more: see [`super::replace`].

use super::below::{Below, Ground, Look};
use super::overlay::{MARK, Overlay, Shown};
use super::plan::{Change, Kind, Layer, Step, open_beneath, split};
use super::stash::Stash;
use super::substitute::{copy_attributes, open_path};
use super::{Outcome, State};
use caddis_view::error::Context;
use caddis_view::refresh::Overlays;
use caddis_view::tree::{path_of, times};
use caddis_view::{Error, Instance, Result};
use rustix::fs::{AtFlags, XattrFlags, fstat, removexattr, setxattr, statat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

/// How many names are taken away between two refreshes.
const AT_ONCE: usize = 256;

/// What has a name of ours for a moment. A leftover of a killed revert is a file that the user has added.
const OURS: &str = ".caddis-reverted-";

/// The overlays of an instance: only root finds them.
pub(super) fn overlays(instance: &Instance) -> Result<Overlays> {
    let gone = || {
        Error::refused("give up changes of", "the environment", "it has just ended")
            .hint("try again")
    };
    Overlays::of(instance)?.ok_or_else(gone)
}

pub(super) fn carry_out(
    environment: &OwnedFd,
    ground: &Ground<'_>,
    instance: &Instance,
    overlays: &Overlays,
    layers: &[Layer],
) -> Result<Vec<Outcome>> {
    // A directory that is cached under the name it was renamed to cannot be seen under its own; also one that a former
    // revert has left to who was in it.
    overlays.refresh()?;
    let mut outcomes = Vec::new();
    for layer in layers.iter().filter(|layer| !layer.steps.is_empty()) {
        let overlay = Overlay::of(overlays, instance, ground.identity, &layer.upper)?;
        let Some(overlay) = overlay else {
            let reason = "the environment runs without the file system that it is on";
            return Err(
                Error::refused("give up changes of", layer.upper.at.display(), reason)
                    .hint("end it with `caddis stop` and try again"),
            );
        };
        let running = Running {
            environment,
            layer,
            overlay,
            stash: Stash::of(environment, &layer.upper.name)?,
            top: layer.open(environment)?,
            below: Below::new(ground, &layer.upper).doing("open", || layer.upper.at.display())?,
        };
        let states = running.all()?;
        outcomes.extend(
            layer
                .steps
                .iter()
                .zip(states)
                .map(|(step, state)| layer.outcome(step, state)),
        );
    }
    Ok(outcomes)
}

/// The changes of one file system, and the overlay that shows them.
pub(super) struct Running<'a> {
    /// The environment's directory.
    pub(super) environment: &'a OwnedFd,
    pub(super) layer: &'a Layer,
    pub(super) overlay: Overlay<'a>,
    pub(super) stash: Stash,
    pub(super) top: OwnedFd,
    pub(super) below: Below<'a>,
}

impl Running<'_> {
    fn all(&self) -> Result<Vec<State>> {
        let mut states = Vec::with_capacity(self.layer.steps.len());
        for steps in self.layer.steps.chunk_by(|a, b| by_name(a) == by_name(b)) {
            for steps in steps.chunks(AT_ONCE) {
                states.extend(self.some(steps)?);
            }
        }
        self.once_more(&mut states)?;
        self.in_use_elsewhere(&mut states);
        self.under_another_name(&mut states);
        let mut changed = BTreeSet::new();
        for step in &self.layer.steps {
            let (parent, _) = split(&step.path);
            if step.kind != Kind::Attributes && changed.insert(parent) {
                self.overlay.forget_list(parent, &self.own_name());
            }
        }
        Ok(states)
    }

    /// Steps of one kind.
    fn some(&self, steps: &[Step]) -> Result<Vec<State>> {
        if steps.first().is_some_and(by_name) {
            return self.take_names(steps);
        }
        let one = |step: &Step| match step.kind {
            Kind::Attributes => self.attributes(step),
            _ => self.replace(step),
        };
        steps.iter().map(one).collect()
    }

    /// What was in the way of one may be another one that has gone meanwhile: directories change names with each other.
    fn once_more(&self, states: &mut [State]) -> Result<()> {
        loop {
            let mut progress = false;
            for (step, state) in self.layer.steps.iter().zip(states.iter_mut()) {
                if *state == State::Held {
                    self.overlay.refresh()?;
                    *state = self
                        .some(std::slice::from_ref(step))?
                        .pop()
                        .unwrap_or(State::Held);
                    progress |= *state != State::Held;
                }
            }
            if !progress {
                return Ok(());
            }
        }
    }

    /// Who is in a directory under the name that it was renamed to keeps it from being seen under its own, somewhere in what
    /// has been uncovered.
    fn in_use_elsewhere(&self, states: &mut [State]) {
        for (uncovered, origin) in &self.layer.reappear {
            if self.overlay.shown(origin) == Shown::Stale {
                let steps = self.layer.steps.iter().zip(&mut *states);
                for (_, state) in steps.filter(|(step, _)| step.path == *uncovered) {
                    *state = State::Held;
                }
            }
        }
    }

    /// A file of the base that the user has moved elsewhere, and changed there, shows under its own name what was given up
    /// under the other one, for as long as a process has it open.
    fn under_another_name(&self, states: &mut [State]) {
        for (step, state) in self.layer.steps.iter().zip(states) {
            let uncovers = step.kind != Kind::Attributes && step.change != Change::Added;
            if *state == State::Done && uncovers && self.still_shows(step) {
                *state = State::Held;
            }
        }
    }

    /// Files and whiteouts: away with the names, then see who still has them.
    fn take_names(&self, steps: &[Step]) -> Result<Vec<State>> {
        let mut taken = Vec::with_capacity(steps.len());
        let mut failed = None;
        for step in steps {
            match self.take(step) {
                Ok(aside) => taken.push(aside),
                Err(error) => {
                    // Those that were taken away already may have to come back.
                    failed = Some(error);
                    break;
                }
            }
        }
        self.overlay.refresh()?;
        // All of them before the first is back or gone: a file of several names has one mark.
        let show: Vec<bool> = steps.iter().map(|step| self.still_shows(step)).collect();
        let mut held = Vec::new();
        for ((step, taken), shows) in steps.iter().zip(&taken).zip(show) {
            held.push(match taken {
                Some(aside) => self.back_or_away(step, aside, shows)?,
                None => false,
            });
        }
        if held.contains(&true) {
            self.overlay.refresh()?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let states = steps
            .iter()
            .zip(taken)
            .zip(held)
            .map(|((step, taken), held)| match (taken, held) {
                (None, _) => Ok(State::Changed),
                (Some(_), false) => Ok(State::Done),
                (Some(_), true) if step.kind == Kind::Whiteout => self.uncover(step),
                (Some(_), true) => self.replace(step),
            });
        states.collect()
    }

    /// Puts the entry of `step` aside, marked. `None`: it is no longer the one that was planned.
    pub(super) fn take(&self, step: &Step) -> Result<Option<CString>> {
        let object = || self.layer.shown(&step.path).display().to_string();
        let (parent, name) = split(&step.path);
        let parent = match open_beneath(&self.top, parent) {
            Ok(parent) => parent,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(errno).doing("open the directory of", object),
        };
        let found = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW);
        // All whiteouts may be one inode.
        if !found.is_ok_and(|stat| stat.st_ino == step.inode) {
            return Ok(None);
        }
        let Some(aside) = self.stash.take(&parent, &name)? else {
            return Ok(None);
        };
        let found = open_path(&self.stash.directory, &aside).doing("open", object)?;
        let same = fstat(&found).is_ok_and(|stat| stat.st_ino == step.inode);
        if same && step.kind != Kind::Whiteout {
            let marked = setxattr(path_of(&found), MARK, b"y", XattrFlags::empty());
            if let Err(errno) = marked {
                self.put_back(&aside, &parent, &name);
                return Err(errno).doing("mark", object);
            }
        }
        if !same {
            self.put_back(&aside, &parent, &name);
        }
        Ok(same.then_some(aside))
    }

    pub(super) fn put_back(&self, aside: &CStr, parent: &OwnedFd, name: &CStr) -> bool {
        if let Ok(found) = open_path(&self.stash.directory, aside) {
            let _ = removexattr(path_of(&found), MARK);
        }
        self.stash.put_back(aside, parent, name)
    }

    /// Whether what was put aside still shows; if so it is back where it was, and else gone for good.
    pub(super) fn still_held(&self, step: &Step, aside: &CStr) -> Result<bool> {
        self.back_or_away(step, aside, self.still_shows(step))
    }

    fn still_shows(&self, step: &Step) -> bool {
        self.overlay.shown(&step.path) != Shown::Other
    }

    fn back_or_away(&self, step: &Step, aside: &CStr, shows: bool) -> Result<bool> {
        if shows {
            let (parent, name) = split(&step.path);
            // Where there is something new, nobody has the old one any more.
            if open_beneath(&self.top, parent)
                .is_ok_and(|parent| self.put_back(aside, &parent, &name))
            {
                return Ok(true);
            }
        }
        self.discard(aside)?;
        Ok(false)
    }

    pub(super) fn discard(&self, aside: &CStr) -> Result<()> {
        // It may have another name that is kept.
        if let Ok(found) = open_path(&self.stash.directory, aside)
            && fstat(&found).is_ok_and(|stat| stat.st_nlink > 1)
        {
            let _ = removexattr(path_of(&found), MARK);
        }
        self.stash.discard(aside)
    }

    /// The base's owner, mode and attributes for a directory that stays.
    fn attributes(&self, step: &Step) -> Result<State> {
        let object = || self.layer.shown(&step.path).display().to_string();
        let Some(Look::Directory(base)) = step.natural.as_deref().map(|path| self.below.look(path))
        else {
            return Ok(State::Changed);
        };
        let own = match open_beneath(&self.top, &step.path) {
            Ok(own) => own,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(State::Changed),
            Err(errno) => return Err(errno).doing("open", object),
        };
        if !fstat(&own).is_ok_and(|stat| stat.st_ino == step.inode) {
            return Ok(State::Changed);
        }
        copy_attributes(self.below.identity(), &base, &own)
            .doing("give back the attributes of", object)?;
        let stat = fstat(&base).doing("stat", object)?;
        let modified = times(&stat).last_modification;
        match self.overlay.read_attributes_again(&step.path, modified) {
            // Covered by a mount.
            Ok(()) | Err(Errno::XDEV) => Ok(State::Done),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(State::Changed),
            Err(errno) => Err(errno).doing("give back the attributes of", object),
        }
    }

    pub(super) fn own_name(&self) -> CString {
        let number = self.stash.name();
        let name = format!("{OURS}{}-{}", std::process::id(), number.to_string_lossy());
        CString::new(name).unwrap_or_default()
    }
}

/// Whether it is enough to take the name away underneath. A directory is not touched there as long as it has a name.
fn by_name(step: &Step) -> bool {
    matches!(step.kind, Kind::Whiteout | Kind::File)
}

//! Under a running instance. A name that nobody uses is taken away underneath, and a refresh has it looked up anew. A
//! name that a process holds on to is looked up no more, so the base's version is put in its place through the
//! overlay, which the kernel does at once for everybody.

use super::below::{Below, Ground, Look};
use super::overlay::{MARK, Overlay, Shown};
use super::plan::{Kind, Layer, Step, open_beneath, split};
use super::stash::Stash;
use super::substitute::{self, copy_attributes, open_path};
use super::{Outcome, State};
use caddis_view::error::Context;
use caddis_view::refresh::Overlays;
use caddis_view::{Error, Instance, Result};
use rustix::fs::{
    AtFlags, RenameFlags, Timespec, XattrFlags, fstat, removexattr, renameat_with, setxattr, statat,
};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// How many names are taken away between two refreshes.
const AT_ONCE: usize = 256;

/// How often a copy is tried to be taken away, which others may be opening at that moment.
const TRIES: u32 = 5;

/// What has a name of ours for a moment. A leftover of a killed revert is a file that the user has added.
const OURS: &str = ".caddis-reverted-";

pub(super) fn carry_out(
    environment: &OwnedFd,
    ground: &Ground<'_>,
    instance: &Instance,
    layers: &[Layer],
) -> Result<Vec<Outcome>> {
    let gone = || {
        Error::refused("give up changes of", "the environment", "it has just ended")
            .hint("try again")
    };
    let overlays = Overlays::of(instance)?.ok_or_else(gone)?;
    let mut outcomes = Vec::new();
    for layer in layers.iter().filter(|layer| !layer.steps.is_empty()) {
        let overlay = Overlay::of(&overlays, instance, ground.identity, &layer.upper)?;
        let Some(overlay) = overlay else {
            let reason = "the environment runs without the file system that it is on";
            return Err(
                Error::refused("give up changes of", layer.upper.at.display(), reason)
                    .hint("end it with `caddis stop` and try again"),
            );
        };
        let running = Running {
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

struct Running<'a> {
    layer: &'a Layer,
    overlay: Overlay<'a>,
    stash: Stash,
    top: OwnedFd,
    below: Below<'a>,
}

impl Running<'_> {
    fn all(&self) -> Result<Vec<State>> {
        // A directory that is cached under the name it was renamed to cannot be seen under its own.
        self.overlay.refresh()?;
        let mut states = Vec::with_capacity(self.layer.steps.len());
        for steps in self.layer.steps.chunk_by(|a, b| by_name(a) == by_name(b)) {
            for steps in steps.chunks(AT_ONCE) {
                states.extend(self.some(steps)?);
            }
        }
        self.once_more(&mut states)?;
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
        let mut held = Vec::new();
        for (step, taken) in steps.iter().zip(&taken) {
            held.push(match taken {
                Some(aside) => self.still_held(step, aside)?,
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
                (Some(_), true) if step.kind == Kind::Whiteout => Ok(State::Held),
                (Some(_), true) => self.replace(step),
            });
        states.collect()
    }

    /// Puts the entry of `step` aside, marked. `None`: it is no longer the one that was planned.
    fn take(&self, step: &Step) -> Result<Option<CString>> {
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
            let marked = setxattr(substitute::path(&found), MARK, b"y", XattrFlags::empty());
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

    fn put_back(&self, aside: &CStr, parent: &OwnedFd, name: &CStr) -> bool {
        if let Ok(found) = open_path(&self.stash.directory, aside) {
            let _ = removexattr(substitute::path(&found), MARK);
        }
        self.stash.put_back(aside, parent, name)
    }

    /// Whether what was put aside still shows; if so it is back where it was, and else gone for good.
    fn still_held(&self, step: &Step, aside: &CStr) -> Result<bool> {
        if self.overlay.shown(&step.path) != Shown::Other {
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

    fn discard(&self, aside: &CStr) -> Result<()> {
        // It may have another name that is kept.
        if let Ok(found) = open_path(&self.stash.directory, aside)
            && fstat(&found).is_ok_and(|stat| stat.st_nlink > 1)
        {
            let _ = removexattr(substitute::path(&found), MARK);
        }
        self.stash.discard(aside)
    }

    /// Puts the base's version in the place of the user's, for everybody at once.
    fn replace(&self, step: &Step) -> Result<State> {
        let object = || self.layer.shown(&step.path).display().to_string();
        let (directory, name) = split(&step.path);
        let parent = match open_beneath(&self.top, directory) {
            Ok(parent) => parent,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(State::Changed),
            Err(errno) => return Err(errno).doing("open the directory of", object),
        };
        let ours = self.own_name();
        let identity = self.below.identity();
        let look = step
            .natural
            .as_deref()
            .map_or(Look::Nothing, |natural| self.below.look(natural));
        let made = match &look {
            Look::Nothing => Ok(()),
            Look::Directory(base) => substitute::directory(identity, base, &parent, &ours, &name),
            Look::Other(base, stat) => {
                let aside = self.stash.name();
                substitute::copy(identity, base, stat, &self.stash.directory, &aside).and_then(
                    |()| {
                        let (from, flags) = (&self.stash.directory, RenameFlags::NOREPLACE);
                        renameat_with(from, &aside, &parent, &ours, flags)
                    },
                )
            }
            Look::Unknown if step.kind == Kind::Tree => return self.take_tree(step),
            Look::Unknown => return Ok(State::Held),
        };
        match made {
            Ok(()) => {}
            // It cannot be read, or is nothing that can be copied.
            Err(Errno::ACCESS | Errno::OPNOTSUPP | Errno::AGAIN) => return Ok(State::Held),
            Err(errno) => return Err(errno).doing("copy the base's version of", object),
        }
        let exchange = !matches!(look, Look::Nothing);
        let (from, to) = if exchange {
            (&ours, &name)
        } else {
            (&name, &ours)
        };
        if let Err(errno) = self.overlay.rename(directory, from, to, exchange) {
            if exchange {
                self.away(&parent, &ours)?;
            }
            return match errno {
                Errno::STALE | Errno::BUSY | Errno::XDEV => Ok(State::Held),
                Errno::NOENT => Ok(State::Changed),
                errno => Err(errno).doing("put the base's version in the place of", object),
            };
        }
        // Somebody may have put something else there just now: it was not asked to be given up.
        let former = statat(&parent, &ours, AtFlags::SYMLINK_NOFOLLOW);
        if !former.is_ok_and(|stat| stat.st_ino == step.inode) {
            let _ = self.overlay.rename(directory, to, from, exchange);
            if exchange {
                self.away(&parent, &ours)?;
            }
            return Ok(State::Changed);
        }
        // Marked until the copy is away as well: a process that had opened the base's file before the user changed it
        // makes the kernel show the former version under the base's inode again.
        let former = self.stash.take(&parent, &ours)?;
        if let Some(former) = &former
            && let Ok(found) = open_path(&self.stash.directory, former)
        {
            let _ = setxattr(substitute::path(&found), MARK, b"y", XattrFlags::empty());
        }
        self.overlay.refresh()?;
        let state = match look {
            Look::Directory(_) => {
                let _ = substitute::settle(&parent, &name);
                State::Done
            }
            Look::Other(..) => self.take_copy(step, &parent, &name)?,
            _ => State::Done,
        };
        if let Some(former) = former {
            // Who is in a directory, or just on the way through, finds all of it still there: the next revert removes it.
            let used = step.kind == Kind::Tree
                && self
                    .overlay
                    .shown(&directory.join(OsStr::from_bytes(ours.to_bytes())))
                    == Shown::Former;
            if !used {
                self.discard(&former)?;
            }
        }
        Ok(state)
    }

    /// For a directory in the place of what cannot be copied: seen at once if nobody is in it.
    fn take_tree(&self, step: &Step) -> Result<State> {
        let Some(aside) = self.take(step)? else {
            return Ok(State::Changed);
        };
        self.overlay.refresh()?;
        let held = self.still_held(step, &aside)?;
        self.overlay.refresh()?;
        Ok(if held { State::Held } else { State::Done })
    }

    /// Removes what was made here and is of no use.
    fn away(&self, parent: &OwnedFd, ours: &CStr) -> Result<()> {
        let Some(aside) = self.stash.take(parent, ours)? else {
            return Ok(());
        };
        self.overlay.refresh()?;
        self.stash.discard(&aside)
    }

    /// Takes our copy of the base's version away again, unless somebody uses it, or has written to it.
    fn take_copy(&self, step: &Step, parent: &OwnedFd, name: &CStr) -> Result<State> {
        let object = || self.layer.shown(&step.path).display().to_string();
        let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).doing("stat", object)?;
        let copy = Step {
            inode: stat.st_ino,
            ..step.clone()
        };
        for _ in 0..TRIES {
            let Some(aside) = self.take(&copy)? else {
                return Ok(State::Done);
            };
            self.overlay.refresh()?;
            let now = statat(&self.stash.directory, &aside, AtFlags::SYMLINK_NOFOLLOW);
            let same = now.is_ok_and(|now| {
                (now.st_mtime, now.st_mtime_nsec, now.st_size)
                    == (stat.st_mtime, stat.st_mtime_nsec, stat.st_size)
            });
            if !same && self.put_back(&aside, parent, name) {
                self.overlay.refresh()?;
                return Ok(State::Done);
            }
            if !self.still_held(step, &aside)? {
                return Ok(State::Done);
            }
        }
        self.overlay.refresh()?;
        Ok(State::Copied)
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
        let modified = Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
        };
        match self.overlay.read_attributes_again(&step.path, modified) {
            // Covered by a mount.
            Ok(()) | Err(Errno::XDEV) => Ok(State::Done),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(State::Changed),
            Err(errno) => Err(errno).doing("give back the attributes of", object),
        }
    }

    fn own_name(&self) -> CString {
        let number = self.stash.name();
        let name = format!("{OURS}{}-{}", std::process::id(), number.to_string_lossy());
        CString::new(name).unwrap_or_default()
    }
}

/// Whether it is enough to take the name away underneath. A directory is not touched there as long as it has a name.
fn by_name(step: &Step) -> bool {
    matches!(step.kind, Kind::Whiteout | Kind::File)
}

//! What processes hold on to: the base's version takes its place through the overlay, which the kernel does at once for
//! everybody.

use super::State;
use super::below::Look;
use super::overlay::{MARK, Shown};
use super::plan::{Kind, Step, open_beneath, split};
use super::running::Running;
use super::substitute::{self, open_path};
use crate::renew::adopt;
use caddis_view::Result;
use caddis_view::error::Context;
use caddis_view::tree::path_of;
use rustix::fs::{AtFlags, RenameFlags, Stat, XattrFlags, renameat_with, setxattr, statat};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// How often a copy is tried to be taken away, which others may be opening at that moment.
const TRIES: u32 = 5;

impl Running<'_> {
    /// Puts the base's version in the place of the user's, for everybody at once.
    pub(super) fn replace(&self, step: &Step) -> Result<State> {
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
            Look::Other(base, stat) => self.copy(base, stat, &parent, &ours),
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
            let back = self.overlay.rename(directory, to, from, exchange);
            if exchange && back.is_ok() {
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
            let _ = setxattr(path_of(&found), MARK, b"y", XattrFlags::empty());
        }
        self.overlay.refresh()?;
        let state = match look {
            Look::Directory(_) => {
                let _ = substitute::settle(&parent, &name);
                State::Done
            }
            Look::Other(_, base) => {
                let state = self.take_copy(step, &parent, &name)?;
                if state == State::Copied {
                    self.follow(step, &base)?;
                }
                state
            }
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

    /// A copy of the base's version, with the name `ours` in an upper directory.
    fn copy(
        &self,
        base: &OwnedFd,
        stat: &Stat,
        parent: &OwnedFd,
        ours: &CStr,
    ) -> std::result::Result<(), Errno> {
        let (from, aside) = (&self.stash.directory, self.stash.name());
        substitute::copy(self.below.identity(), base, stat, from, &aside)?;
        renameat_with(from, &aside, parent, ours, RenameFlags::NOREPLACE)
    }

    /// The copy of the base's version that has to stay follows it.
    fn follow(&self, step: &Step, base: &Stat) -> Result<()> {
        let path = self.layer.shown(&step.path);
        adopt(self.environment, &self.layer.upper.at, &path, base)
    }

    /// For a removal of what a process has held since before it was the user's: without the whiteout, the kernel
    /// would show what the user has removed. So the base's version is put there as a copy.
    pub(super) fn uncover(&self, step: &Step) -> Result<State> {
        let look = step.natural.as_deref().map(|path| self.below.look(path));
        let Some(Look::Other(base, stat)) = look else {
            return Ok(State::Held);
        };
        let object = || self.layer.shown(&step.path).display().to_string();
        let (directory, name) = split(&step.path);
        let ours = self.own_name();
        let parent = open_beneath(&self.top, directory).doing("open the directory of", object)?;
        if self.copy(&base, &stat, &parent, &ours).is_err() {
            return Ok(State::Held);
        }
        if self.overlay.rename(directory, &ours, &name, false).is_err() {
            self.away(&parent, &ours)?;
            return Ok(State::Held);
        }
        self.follow(step, &stat)?;
        Ok(State::Copied)
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
}

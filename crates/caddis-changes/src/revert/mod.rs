//! `revert`: gives up the user's own version of a path, so that the base's is seen at once.
//!
//! `uppers` finds the changes that a path belongs to, `plan` reads them and says what is to be given up, as data.
//! Without an instance one rename in the upper layer is all that a path takes (`stopped`). Under a running one
//! (`running`) a name is changed underneath only where overlayfs then looks it up anew; what a process holds on to
//! is replaced through the environment's overlay. Whatever is given up is first put aside in the `stash`, from
//! where it can come back. So at each moment each path shows the old or the new, also after a `kill -9`.
//!
//! The user is root in the environment and changes all of it meanwhile: nothing is found by a path of the host's,
//! nothing followed that is a link, and nothing written but in the environment's own layers.

mod below;
mod overlay;
mod plan;
mod replace;
mod running;
mod stash;
mod stopped;
mod substitute;
mod uppers;
mod walk;

pub use below::Ground;
pub use plan::Change;

use crate::renew;
use caddis_policy::EnvName;
use caddis_view::credentials::as_writer;
use caddis_view::ending::end_deadline;
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Result, Runtime, instance};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What is to be given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Everything that the user has changed.
    Everything,
    /// These paths, as they are named inside, with all below them.
    Paths(Vec<PathBuf>),
}

/// What came of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It would be given up.
    Planned,
    /// The base's version is seen.
    Done,
    /// The base's content is seen, as a copy in the changes: processes had the user's version open. The copy goes
    /// with the next revert that finds nobody there.
    Copied,
    /// Still the user's: processes inside use it, and the kernel shows nobody the base's until they let go.
    Held,
    /// Somebody else was there first: it is no longer what it was when the changes were read.
    Changed,
}

/// One path that was given up, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its name inside.
    pub path: PathBuf,
    /// What the user had done to it.
    pub change: Change,
    /// How many files are lost with it.
    pub files: u64,
    /// What came of it.
    pub state: State,
}

/// An environment whose changes are given up.
#[derive(Debug)]
pub struct Reverted<'a> {
    /// Its name.
    pub name: &'a EnvName,
    /// The environments of its user.
    pub environments: &'a Environments,
    /// What lies below the changes.
    pub ground: Ground<'a>,
    /// `/run/caddis`.
    pub run: &'a Path,
}

impl Reverted<'_> {
    fn directory(&self) -> Result<OwnedFd> {
        self.environments
            .open(self.name)?
            .ok_or_else(|| missing(self.name))
    }

    /// The steps. What was renewed is none of the user's.
    fn plan(&self, directory: &OwnedFd, what: &What) -> Result<Vec<plan::Layer>> {
        let renewed = renew::names(directory)?;
        let mut layers = plan::plan(directory, &self.ground, what)?;
        for layer in &mut layers {
            let mut steps = std::mem::take(&mut layer.steps);
            steps.retain(|step| !renewed.contains(&layer.shown(&step.path)));
            layer.steps = steps;
        }
        Ok(layers)
    }

    /// What [`Reverted::revert`] would do now. Takes no lock.
    pub fn dry_run(&self, what: &What) -> Result<Vec<Outcome>> {
        let layers = self.plan(&self.directory()?, what)?;
        let outcomes = layers.iter().flat_map(|layer| {
            let outcome = |step: &plan::Step| layer.outcome(step, State::Planned);
            layer.steps.iter().map(outcome)
        });
        Ok(outcomes.collect())
    }

    /// Gives up `what`, with `most` files of the user's at most. `make_way` is called when the environment is locked.
    ///
    /// # Errors
    /// Nothing is done if one of the paths cannot be given up, or if there are more files.
    pub fn revert(
        &self,
        what: &What,
        most: Option<u64>,
        make_way: &mut dyn FnMut(&Runtime) -> Result<()>,
    ) -> Result<Vec<Outcome>> {
        loop {
            // Missing ones are refused before a lock of theirs is made.
            self.directory()?;
            let runtime = Runtime::lock(self.run, self.ground.identity.uid, self.name)?;
            let instance = match make_way(&runtime).and_then(|()| runtime.running(end_deadline())) {
                Err(error) if error.errno == Some(instance::REMOVED) => continue,
                other => other?,
            };
            // Under the lock: nobody starts, ends or removes it meanwhile.
            let directory = self.directory()?;
            stash::clear(&directory)?;
            let layers = self.plan(&directory, what)?;
            let files: u64 = layers
                .iter()
                .flat_map(|layer| &layer.steps)
                .map(|step| step.files)
                .sum();
            if let Some(most) = most
                && files > most
            {
                let reason = format!("there were {most} when you were asked");
                return Err(Error::refused("give up", format!("{files} files"), reason)
                    .hint("see them with `caddis revert --dry-run`, and try again"));
            }
            return match instance {
                None => as_writer(|| stopped::carry_out(&directory, &self.ground, &layers)),
                Some(instance) => {
                    let overlays = running::overlays(&instance)?;
                    let ground = &self.ground;
                    as_writer(|| {
                        running::carry_out(&directory, ground, &instance, &overlays, &layers)
                    })
                }
            };
        }
    }
}

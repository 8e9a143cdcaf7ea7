//! `refresh`: the veil again if the base has changed, then every running instance.

use crate::packages;
use caddis_helper::host::RUN;
use caddis_helper::output;
use caddis_policy::{EnvName, Policy};
use caddis_view::packages::{current, see_to};
use caddis_view::refresh::{instances, refresh};
use caddis_view::store::{environments, root_directory};
use caddis_view::{Error, Result, veil};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An instance's kernel objects are its user's to keep busy (a large `syncfs` for one): after this, the others no
/// longer wait for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// After this nobody waits any more.
const LONGEST: Duration = Duration::from_secs(30);

pub(crate) fn run(policy: &Policy) -> Result<u8> {
    let veil = veil::refresh(policy)?;
    let what = if veil.built { "built" } else { "unchanged" };
    let done = all(policy)?;
    output::line(&[
        ("veil", &veil.generation.to_string()),
        ("entries", &veil.entries.to_string()),
        ("state", what),
        ("instances", &done.refreshed.to_string()),
    ]);
    for error in &done.errors {
        output::error(error);
    }
    // After all have been refreshed: this may take a moment.
    let packages = packages::all(policy, &done.due);
    if let Err(error) = &packages {
        output::error(error);
    }
    Ok(if done.errors.is_empty() && packages.is_ok() {
        0
    } else {
        crate::FAILED
    })
}

/// What came of refreshing all instances.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// How many were refreshed.
    pub(crate) refreshed: usize,
    /// Those whose package databases are to be brought together with the base's, and the number of that.
    pub(crate) due: Vec<(u32, EnvName, u64)>,
    /// What went wrong with others.
    pub(crate) errors: Vec<Error>,
}

type Queue = Arc<Mutex<std::vec::IntoIter<(u32, EnvName)>>>;
type Answer = (u32, EnvName, Result<Refreshed>);

/// What became of one.
enum Refreshed {
    /// It does not run.
    No,
    Yes,
    /// The same, and its package database is to be brought together with the base's of this number.
    PackagesDue(u64),
}

/// Refreshes every running instance, one after the other; one that takes long does not keep the rest waiting.
pub(crate) fn all(policy: &Policy) -> Result<Done> {
    let mut done = Done::default();
    // Before anybody looks at the base, so that it cannot be a later one than what they see.
    let packages = current(&policy.storage.state).unwrap_or_else(|error| {
        done.errors.push(error);
        None
    });
    let one = One {
        state: policy.storage.state.clone().into(),
        environments: environments(&policy.storage.state)?.into(),
        packages,
    };
    let found = instances(Path::new(RUN))?;
    let mut waiting = found.len();
    let queue: Queue = Arc::new(Mutex::new(found.into_iter()));
    let (sender, answers) = channel();
    let mut slow = Duration::ZERO;
    start(&one, &queue, &sender);
    while waiting > 0 {
        match answers.recv_timeout(PATIENCE) {
            Ok((uid, name, answer)) => {
                waiting -= 1;
                match answer {
                    Ok(Refreshed::No) => {}
                    Ok(Refreshed::Yes) => done.refreshed += 1,
                    Ok(Refreshed::PackagesDue(number)) => {
                        done.refreshed += 1;
                        done.due.push((uid, name, number));
                    }
                    Err(error) => done.errors.push(about(uid, &name, error)),
                }
            }
            Err(RecvTimeoutError::Timeout) if slow < LONGEST => {
                slow += PATIENCE;
                start(&one, &queue, &sender);
            }
            Err(_) => {
                let reason = format!("{waiting} of them did not answer the kernel in time");
                let hint = "their users keep their file systems busy; try again later";
                done.errors
                    .push(Error::refused("refresh", "some environments", reason).hint(hint));
                break;
            }
        }
    }
    Ok(done)
}

/// What is the same for all.
#[derive(Clone)]
struct One {
    state: Arc<Path>,
    /// The directory of all environments.
    environments: Arc<OwnedFd>,
    /// The number of the base's package database.
    packages: Option<u64>,
}

impl One {
    fn refresh(&self, uid: u32, name: &EnvName) -> Result<Refreshed> {
        if !refresh(Path::new(RUN), uid, name)? {
            return Ok(Refreshed::No);
        }
        let Some(number) = self.packages else {
            return Ok(Refreshed::Yes);
        };
        let environment = match root_directory(&*self.environments, &format!("{uid}/{name}"), false)
        {
            // The instance of an environment that somebody has removed behind our back.
            Err(error) if error.errno == Some(Errno::NOENT) => return Ok(Refreshed::Yes),
            other => other?,
        };
        let due = see_to(&self.state, environment, number, true)?;
        Ok(due.map_or(Refreshed::Yes, |_| Refreshed::PackagesDue(number)))
    }
}

/// One more worker.
fn start(one: &One, queue: &Queue, sender: &Sender<Answer>) {
    let (one, queue, sender) = (one.clone(), queue.clone(), sender.clone());
    std::thread::spawn(move || {
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((uid, name)) = next() {
            let answer = one.refresh(uid, &name);
            if sender.send((uid, name, answer)).is_err() {
                return;
            }
        }
    });
}

fn about(uid: u32, name: &EnvName, error: Error) -> Error {
    let operation = format!("refresh \"{name}\" of user {uid}: {}", error.operation);
    Error { operation, ..error }
}

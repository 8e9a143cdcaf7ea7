//! `refresh`: the veil again if the base has changed, then every running instance.

use caddis_helper::host::RUN;
use caddis_helper::output;
use caddis_policy::{EnvName, Policy};
use caddis_view::refresh::{instances, refresh};
use caddis_view::veil::{self, Look};
use caddis_view::{Error, Result};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An instance's kernel objects are its user's to keep busy (a large `syncfs` for one): after this, the others no
/// longer wait for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// After this nobody waits any more.
const LONGEST: Duration = Duration::from_secs(30);

pub(crate) fn run(policy: &Policy, look: &Look) -> Result<u8> {
    let veil = veil::refresh(policy, look)?;
    let what = if veil.built { "built" } else { "unchanged" };
    let done = all()?;
    output::line(&[
        ("veil", &veil.generation.to_string()),
        ("entries", &veil.entries.to_string()),
        ("state", what),
        ("instances", &done.refreshed.to_string()),
    ]);
    for error in &done.errors {
        output::error(error);
    }
    Ok(if done.errors.is_empty() {
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
    /// What went wrong with others.
    pub(crate) errors: Vec<Error>,
}

type Queue = Arc<Mutex<std::vec::IntoIter<(u32, EnvName)>>>;
type Answer = (u32, EnvName, Result<bool>);

/// Refreshes every running instance, one after the other; one that takes long does not keep the rest waiting.
pub(crate) fn all() -> Result<Done> {
    let found = instances(Path::new(RUN))?;
    let mut waiting = found.len();
    let queue: Queue = Arc::new(Mutex::new(found.into_iter()));
    let (sender, answers) = channel();
    let mut done = Done::default();
    let mut slow = Duration::ZERO;
    start(&queue, &sender);
    while waiting > 0 {
        match answers.recv_timeout(PATIENCE) {
            Ok((uid, name, answer)) => {
                waiting -= 1;
                match answer {
                    Ok(true) => done.refreshed += 1,
                    Ok(false) => {}
                    Err(error) => done.errors.push(about(uid, &name, error)),
                }
            }
            Err(RecvTimeoutError::Timeout) if slow < LONGEST => {
                slow += PATIENCE;
                start(&queue, &sender);
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

/// One more worker.
fn start(queue: &Queue, sender: &Sender<Answer>) {
    let (queue, sender) = (queue.clone(), sender.clone());
    std::thread::spawn(move || {
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((uid, name)) = next() {
            let answer = refresh(Path::new(RUN), uid, &name);
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

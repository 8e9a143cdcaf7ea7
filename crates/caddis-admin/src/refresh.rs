//! `refresh`: the veil again if the base has changed, then every running instance.

use caddis_helper::host::RUN;
use caddis_helper::output;
use caddis_policy::{EnvName, Policy};
use caddis_view::refresh::{instances, refresh};
use caddis_view::veil::{self, Look};
use caddis_view::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An instance's kernel objects are its user's to keep busy (a large `syncfs` for one): after this, the others no
/// longer wait for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// After this nobody waits any more who was asked to refresh.
const LONGEST: Duration = Duration::from_secs(30);

/// Instances that a thread of this program is refreshing now.
static BUSY: Mutex<BTreeSet<(u32, String)>> = Mutex::new(BTreeSet::new());

pub(crate) fn run(policy: &Policy, look: &Look) -> Result<u8> {
    let veil = veil::refresh(policy, look)?;
    let what = if veil.built { "built" } else { "unchanged" };
    let done = all(LONGEST)?;
    output::line(&[
        ("veil", &veil.generation.to_string()),
        ("entries", &veil.entries.to_string()),
        ("state", what),
        ("instances", &done.refreshed.to_string()),
    ]);
    let unfinished = done.about_unfinished();
    let mut failed = false;
    for error in done.errors.iter().chain(&unfinished) {
        output::error(error);
        failed = true;
    }
    Ok(if failed { crate::FAILED } else { 0 })
}

/// What came of refreshing all instances.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// How many were refreshed.
    pub(crate) refreshed: usize,
    /// What went wrong with others.
    pub(crate) errors: Vec<Error>,
    /// How many had not been refreshed when nobody waited any more.
    pub(crate) unfinished: usize,
}

type Queue = Arc<Mutex<std::vec::IntoIter<(u32, EnvName)>>>;
type Answer = (u32, EnvName, Result<bool>);

/// Refreshes every running instance, one after the other; one that takes long does not keep the rest waiting. One that
/// has not come to its end since the last time is left alone: it would only take a further thread.
pub(crate) fn all(longest: Duration) -> Result<Done> {
    let mut found = instances(Path::new(RUN))?;
    let before = found.len();
    let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner).clone();
    found.retain(|(uid, name)| !busy.contains(&(*uid, name.to_string())));
    let mut done = Done {
        unfinished: before - found.len(),
        ..Done::default()
    };
    let mut waiting = found.len();
    if waiting == 0 {
        return Ok(done);
    }
    let queue: Queue = Arc::new(Mutex::new(found.into_iter()));
    let (sender, answers) = channel();
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
            Err(RecvTimeoutError::Timeout) if slow < longest => {
                slow += PATIENCE;
                start(&queue, &sender);
            }
            Err(_) => break,
        }
    }
    done.unfinished += waiting;
    Ok(done)
}

impl Done {
    /// What to say about those that are not refreshed.
    pub(crate) fn about_unfinished(&self) -> Option<Error> {
        let reason = format!(
            "{} of them did not answer the kernel in time",
            self.unfinished
        );
        let hint = "their users keep their file systems busy; try again later";
        (self.unfinished > 0)
            .then(|| Error::refused("refresh", "some environments", reason).hint(hint))
    }
}

/// One more worker.
fn start(queue: &Queue, sender: &Sender<Answer>) {
    let (queue, sender) = (queue.clone(), sender.clone());
    std::thread::spawn(move || {
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let busy = || BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((uid, name)) = next() {
            let key = (uid, name.to_string());
            busy().insert(key.clone());
            let answer = refresh(Path::new(RUN), uid, &name);
            busy().remove(&key);
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

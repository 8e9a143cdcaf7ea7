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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An instance's kernel objects are its user's to keep busy (a large `syncfs` for one): after this, the others no
/// longer wait for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many workers there are at first, if the machine has so many processors.
const MOST: usize = 4;

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

/// What workers share. They wake nobody before they are done: for each of many instances that would take longer than
/// to refresh it.
struct Shared {
    queue: Mutex<std::vec::IntoIter<(u32, EnvName)>>,
    answers: Mutex<Vec<(u32, EnvName, Result<bool>)>>,
}

/// Refreshes every running instance; one that takes long does not keep the rest waiting. One that has not come to its
/// end since the last time is left alone: it would only take a further thread.
pub(crate) fn all(longest: Duration) -> Result<Done> {
    let mut found = instances(Path::new(RUN))?;
    let before = found.len();
    let busy = locked(&BUSY).clone();
    found.retain(|(uid, name)| !busy.contains(&(*uid, name.to_string())));
    let count = found.len();
    let shared = Arc::new(Shared {
        queue: Mutex::new(found.into_iter()),
        answers: Mutex::new(Vec::with_capacity(count)),
    });
    let (sender, ends) = channel();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..processors.min(MOST).min(count) {
        start(&shared, &sender);
    }
    let mut slow = Duration::ZERO;
    while locked(&shared.answers).len() < count {
        match ends.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) if slow < longest => {
                slow += PATIENCE;
                start(&shared, &sender);
            }
            Err(_) => break,
        }
    }
    let mut done = Done {
        unfinished: before,
        ..Done::default()
    };
    for (uid, name, answer) in std::mem::take(&mut *locked(&shared.answers)) {
        done.unfinished -= 1;
        match answer {
            Ok(true) => done.refreshed += 1,
            Ok(false) => {}
            Err(error) => done.errors.push(about(uid, &name, error)),
        }
    }
    Ok(done)
}

/// One more worker, which tells when nothing is left to do.
fn start(shared: &Arc<Shared>, ended: &Sender<()>) {
    let (shared, ended) = (shared.clone(), ended.clone());
    std::thread::spawn(move || {
        let next = || locked(&shared.queue).next();
        while let Some((uid, name)) = next() {
            let key = (uid, name.to_string());
            locked(&BUSY).insert(key.clone());
            let answer = refresh(Path::new(RUN), uid, &name);
            locked(&BUSY).remove(&key);
            locked(&shared.answers).push((uid, name, answer));
        }
        // Nobody may be waiting any more.
        let _ = ended.send(());
    });
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

fn about(uid: u32, name: &EnvName, error: Error) -> Error {
    let operation = format!("refresh \"{name}\" of user {uid}: {}", error.operation);
    Error { operation, ..error }
}

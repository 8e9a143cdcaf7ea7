//! `refresh`: the veil again if the base has changed, then every running instance.

use crate::fair::Queue;
use crate::{odd_lines, packages, say};
use caddis_helper::host::RUN;
use caddis_helper::output::fields;
use caddis_helper::ownership::{Swept, sweep};
use caddis_policy::{EnvName, Policy};
use caddis_view::packages::{current, see_to};
use caddis_view::refresh::{instances, refresh};
use caddis_view::store::{environments, root_directory};
use caddis_view::veil::{self, Look};
use caddis_view::{Error, Result, Runtime};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An instance's kernel objects are its user's to keep busy (a large `syncfs` for one): after this, the others no
/// longer wait for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many workers there are that are not held up, if the machine has so many processors.
const MOST: usize = 4;

/// How many workers one user can hold up, with however many busy instances: those beyond wait for
/// these.
const MOST_OF_ONE: usize = 2;

/// After this nobody waits any more who was asked to refresh.
const LONGEST: Duration = Duration::from_secs(30);

/// How long the environments of deleted accounts that somebody holds locked are waited for.
const SWEEP: Duration = Duration::from_secs(2);

/// The instances, by user, that a thread of this program is refreshing, and since when: of this
/// refresh, and of former ones that have not come to their end.
static BUSY: Mutex<Busy> = Mutex::new(BTreeMap::new());

type Busy = BTreeMap<u32, BTreeMap<String, Instant>>;

pub(crate) fn run(policy: &Policy, look: &Look) -> Result<u8> {
    let veil = veil::refresh(policy, look)?;
    let what = if veil.built { "built" } else { "unchanged" };
    let done = all(policy, LONGEST)?;
    say::plain(&fields(&[
        ("veil", &veil.generation.to_string()),
        ("entries", &veil.entries.to_string()),
        ("state", what),
        ("instances", &done.refreshed.to_string()),
    ]));
    let unfinished = done.about_unfinished();
    odd_lines::tell();
    let mut failed = false;
    // After all have been refreshed: these may take a moment.
    let mut swept = sweep(policy, None, Instant::now() + SWEEP).unwrap_or_else(|error| Swept {
        errors: vec![error],
        ..Swept::default()
    });
    swept.errors.extend(unfinished);
    let packages = packages::all(policy, &done.due).err();
    let errors = swept.errors.iter().chain(&done.errors);
    for error in errors.chain(&packages) {
        say::error(error);
        failed = true;
    }
    Ok(if failed { crate::FAILED } else { 0 })
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
    /// How many had not been refreshed when nobody waited any more.
    pub(crate) unfinished: usize,
}

/// What workers share. They wake nobody before they are done: for each of many instances that would take longer than
/// to refresh it.
struct Shared {
    state: PathBuf,
    /// The directory of all environments.
    environments: OwnedFd,
    /// The number of the base's package database.
    packages: Option<u64>,
    queue: Mutex<Queue<EnvName>>,
    answers: Mutex<Vec<(u32, EnvName, Result<Refreshed>)>>,
}

/// What became of one.
enum Refreshed {
    /// It does not run.
    No,
    Yes,
    /// The same, and its package database is to be brought together with the base's of this number.
    PackagesDue(u64),
}

/// Refreshes every running instance. The users take turns, and one who keeps instances busy
/// occupies no more than [`MOST_OF_ONE`] workers, which others replace: nobody else waits for more
/// than a moment. An instance that is still being refreshed since the last time is left alone.
pub(crate) fn all(policy: &Policy, longest: Duration) -> Result<Done> {
    let state = &policy.storage.state;
    // Before anybody looks at the base, so that it cannot be a later one than what they see.
    let packages = current(state);
    let mut found = instances(Path::new(RUN))?;
    let before = found.len();
    let busy = locked(&BUSY).clone();
    found.retain(|(uid, name)| {
        !busy
            .get(uid)
            .is_some_and(|of_user| of_user.contains_key(name.as_str()))
    });
    let count = found.len();
    let mut done = Done::default();
    let shared = Arc::new(Shared {
        state: state.clone(),
        environments: environments(state)?,
        packages: packages.unwrap_or_else(|error| {
            done.errors.push(error);
            None
        }),
        queue: Mutex::new(Queue::new(found)),
        answers: Mutex::new(Vec::with_capacity(count)),
    });
    let (sender, ends) = channel();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = processors.min(MOST).min(count);
    let since = Instant::now();
    for _ in 0..wanted {
        start(&shared, &sender);
    }
    let mut workers = wanted;
    let mut slow = Duration::ZERO;
    while locked(&shared.answers).len() < count {
        match ends.recv_timeout(PATIENCE) {
            Ok(()) => workers -= 1,
            Err(RecvTimeoutError::Timeout) if slow < longest => {
                slow += PATIENCE;
                // Others in the place of those that are held up, if there is anything that they may
                // begin.
                while workers < wanted + held_up(since) && shared.has_next() {
                    start(&shared, &sender);
                    workers += 1;
                }
            }
            Err(_) => break,
        }
    }
    done.unfinished = before;
    for (uid, name, answer) in std::mem::take(&mut *locked(&shared.answers)) {
        done.unfinished -= 1;
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
    Ok(done)
}

impl Shared {
    fn refresh(&self, uid: u32, name: &EnvName) -> Result<Refreshed> {
        if !refresh(Path::new(RUN), uid, name)? {
            Runtime::sweep_one(Path::new(RUN), uid, name)?;
            return Ok(Refreshed::No);
        }
        let Some(number) = self.packages else {
            return Ok(Refreshed::Yes);
        };
        let environment = match root_directory(&self.environments, &format!("{uid}/{name}"), false)
        {
            // The instance of an environment that somebody has removed behind our back.
            Err(error) if error.errno == Some(Errno::NOENT) => return Ok(Refreshed::Yes),
            other => other?,
        };
        let due = see_to(&self.state, environment, number, true)?;
        Ok(due.map_or(Refreshed::Yes, |_| Refreshed::PackagesDue(number)))
    }
}

/// How many workers have been held up for a while, of those that began their instances at `since`
/// or later.
fn held_up(since: Instant) -> usize {
    let busy = locked(&BUSY);
    let all = busy.values().flat_map(BTreeMap::values);
    all.filter(|begun| **begun >= since && begun.elapsed() >= PATIENCE)
        .count()
}

fn may_begin(busy: &Busy, uid: u32) -> bool {
    busy.get(&uid).map_or(0, BTreeMap::len) < MOST_OF_ONE
}

impl Shared {
    fn has_next(&self) -> bool {
        let busy = locked(&BUSY);
        locked(&self.queue).has_next(|uid| may_begin(&busy, uid))
    }

    /// Takes the next instance.
    fn begin(&self) -> Option<(u32, EnvName)> {
        let mut busy = locked(&BUSY);
        let (uid, name) = locked(&self.queue).next(|uid| may_begin(&busy, uid))?;
        let of_user = busy.entry(uid).or_default();
        of_user.insert(name.to_string(), Instant::now());
        Some((uid, name))
    }

    fn end(&self, uid: u32, name: EnvName, answer: Result<Refreshed>) {
        let mut busy = locked(&BUSY);
        if let Some(of_user) = busy.get_mut(&uid) {
            of_user.remove(name.as_str());
        }
        busy.retain(|_, of_user| !of_user.is_empty());
        drop(busy);
        locked(&self.answers).push((uid, name, answer));
    }
}

/// Starts another worker, which reports when there is nothing that it may begin. Then only users
/// are left for whom other workers are busy, and those continue with them.
fn start(shared: &Arc<Shared>, ended: &Sender<()>) {
    let (shared, ended) = (shared.clone(), ended.clone());
    std::thread::spawn(move || {
        while let Some((uid, name)) = shared.begin() {
            let answer = shared.refresh(uid, &name);
            shared.end(uid, name, answer);
        }
        // Nobody may be waiting any more.
        let _ = ended.send(());
    });
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

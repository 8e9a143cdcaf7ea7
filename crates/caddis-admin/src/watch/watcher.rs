//! What the watcher does, and when it may.

use super::budget::Budget;
use super::filesystems::FileSystems;
use super::gather::Gathered;
use super::places::Places;
use crate::say;
use crate::{packages, refresh};
use caddis_helper::output::printable;
use caddis_helper::ownership::sweep;
use caddis_policy::{EnvName, Policy};
use caddis_view::Result;
use caddis_view::veil::{self, Look};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What is changed together is seen together: a command's changes take about that long.
const GATHER: Duration = Duration::from_millis(10);

/// How long one instance whose user keeps it busy is waited for; it has its turn again later.
const PATIENCE: Duration = Duration::from_secs(2);

/// And when.
const AGAIN: Duration = Duration::from_secs(1);

/// The same for package databases that were due while others were being merged.
const MERGE_AGAIN: Duration = Duration::from_secs(10);

/// The state of the watcher.
#[derive(Debug)]
pub(super) struct Watcher {
    policy: Policy,
    places: Places,
    filesystems: FileSystems,
    verbose: bool,
    /// For events and what they cause: at most a hundredth of a processor.
    events: Budget,
    /// For the mount table, which users of FUSE can change.
    mounts: Budget,
    /// For looks at the whole base.
    looks: Budget,
    /// For package databases. Their users can draw a merge out, so it goes on beside everything else, one at a time:
    /// whoever merges holds this.
    merges: Arc<Mutex<Budget>>,
    /// Some instances have not been refreshed: when it is their turn again.
    pending: Option<Instant>,
    /// The list of accounts that was looked at last: its inode and its time.
    accounts: Option<(u64, i64, u64)>,
    /// Names were lost, of which the veil might need one.
    unsure: bool,
}

/// How long the watcher still rests from what; `None`: it does not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rests {
    pub(super) events: Option<Duration>,
    pub(super) mounts: Option<Duration>,
}

impl Watcher {
    pub(super) fn new(policy: Policy, verbose: bool) -> Result<Watcher> {
        let mut watcher = Watcher {
            places: Places::of(&policy),
            policy,
            filesystems: FileSystems::new()?,
            verbose,
            events: Budget::new(100, Duration::from_secs(10)),
            mounts: Budget::new(100, Duration::from_secs(10)),
            looks: Budget::new(300, Duration::from_secs(3600)),
            merges: Arc::new(Mutex::new(Budget::new(100, Duration::from_secs(10)))),
            pending: None,
            accounts: None,
            unsure: false,
        };
        watcher.watch_mounts();
        Ok(watcher)
    }

    /// The queue of events.
    pub(super) fn queue(&self) -> &OwnedFd {
        self.filesystems.queue()
    }

    /// What is watched, for people.
    pub(super) fn places(&self) -> String {
        self.filesystems.describe()
    }

    /// What the watcher may not look at yet.
    pub(super) fn rests(&self) -> Rests {
        Rests {
            events: self.events.remaining(),
            mounts: self.mounts.remaining(),
        }
    }

    /// When [`Watcher::on_time`] has something to do; `None`: that depends on others.
    pub(super) fn due(&self) -> Option<Duration> {
        let pending = self
            .pending
            .map(|time| time.saturating_duration_since(Instant::now()));
        let unsure = self
            .unsure
            .then(|| self.looks.remaining().unwrap_or_default());
        pending.into_iter().chain(unsure).min()
    }

    /// Another policy, from now on.
    pub(super) fn use_policy(&mut self, policy: Policy) {
        self.places = Places::of(&policy);
        self.policy = policy;
        self.look_at_mounts();
        self.veil(&Look::Changes);
    }

    /// Watches what was mounted. A session may have begun before that, and have looked up names that changed since.
    pub(super) fn look_at_mounts(&mut self) {
        if let Some(first) = self.watch_mounts().first() {
            let start = Instant::now();
            self.instances(&format!("what happened on {}", first.display()));
            self.events.spent(start);
        }
    }

    fn watch_mounts(&mut self) -> Vec<PathBuf> {
        let start = Instant::now();
        let new = self.filesystems.update(&self.policy, &self.places);
        self.mounts.spent(start);
        new.unwrap_or_else(|error| {
            say::error(&error);
            Vec::new()
        })
    }

    /// What happened before anybody watched.
    pub(super) fn catch_up(&mut self) {
        let start = Instant::now();
        self.instances("what happened before");
        self.veil(&Look::Changes);
        self.events.spent(start);
    }

    /// Acts on the events that there are.
    pub(super) fn work(&mut self) {
        std::thread::sleep(GATHER);
        let start = Instant::now();
        match Gathered::read(&mut self.filesystems, &self.places) {
            Ok(gathered) if gathered.is_empty() => {}
            Ok(gathered) => self.refresh(gathered),
            Err(error) => say::error(&error),
        }
        self.events.spent(start);
    }

    /// Does what was put off.
    pub(super) fn on_time(&mut self) {
        if self.pending.is_some_and(|time| time <= Instant::now()) {
            self.instances("what could not be refreshed before");
        }
        if self.unsure && self.looks.remaining().is_none() {
            let start = Instant::now();
            self.unsure = false;
            self.veil(&Look::Everything);
            self.looks.spent(start);
        }
    }

    /// Instances first: somebody may be waiting.
    fn refresh(&mut self, gathered: Gathered) {
        if gathered.overflow {
            say::warn("more names changed than the kernel's queue holds; refreshing everything");
        }
        self.instances(&gathered.describe());
        self.unsure |= gathered.incomplete;
        self.veil(&Look::At(gathered.names));
    }

    /// Sets aside what belongs to accounts that are gone, if the list of accounts has changed.
    fn accounts(&mut self) {
        let now = rustix::fs::stat("/etc/passwd").ok();
        let now = now.map(|stat| (stat.st_ino, stat.st_mtime, stat.st_mtime_nsec));
        if now.is_none() || now == self.accounts {
            return;
        }
        match sweep(&self.policy, None, Instant::now() + PATIENCE) {
            Ok(swept) => {
                self.accounts = now;
                swept.errors.iter().for_each(say::error);
            }
            Err(error) => say::error(&error),
        }
    }

    fn instances(&mut self, reason: &str) {
        self.refresh_instances(reason);
        self.accounts();
    }

    fn refresh_instances(&mut self, reason: &str) {
        match refresh::all(&self.policy, PATIENCE) {
            Ok(done) => {
                let unfinished = done.about_unfinished();
                // Said once.
                let new = unfinished.iter().filter(|_| self.pending.is_none());
                done.errors.iter().chain(new).for_each(say::error);
                self.pending = unfinished.is_some().then(|| Instant::now() + AGAIN);
                if !done.due.is_empty() && !self.merge(done.due) {
                    self.pending.get_or_insert(Instant::now() + MERGE_AGAIN);
                }
                if self.verbose {
                    let reason = printable(reason);
                    say::plain(&format!("refreshed {} for {reason}", done.refreshed));
                }
            }
            Err(error) => say::error(&error),
        }
    }

    /// Has the databases brought together that are `due`. `false`: not now.
    fn merge(&self, due: Vec<(u32, EnvName, u64)>) -> bool {
        let rests = |budget: &Mutex<Budget>| {
            let budget = budget.try_lock();
            budget.map_or(true, |budget| budget.remaining().is_some())
        };
        if rests(&self.merges) {
            return false;
        }
        let (policy, merges) = (self.policy.clone(), self.merges.clone());
        std::thread::spawn(move || {
            let Ok(mut budget) = merges.try_lock() else {
                return;
            };
            let start = Instant::now();
            if let Err(error) = packages::all(&policy, &due) {
                say::error(&error);
            }
            budget.spent(start);
        });
        true
    }

    fn veil(&mut self, look: &Look) {
        match veil::refresh(&self.policy, look) {
            Ok(veil) if veil.built && self.verbose => {
                say::plain(&format!("built veil {}", veil.generation));
            }
            Ok(_) => {}
            Err(error) => say::error(&error),
        }
    }
}

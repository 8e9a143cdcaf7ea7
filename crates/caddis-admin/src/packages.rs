//! After a refresh: brings the package databases of running environments together with the base's.

use crate::fair::Queue;
use crate::refresh::locked;
use caddis_helper::host::{self, RUN};
use caddis_policy::{EnvName, Policy};
use caddis_view::credentials::write_as;
use caddis_view::packages::{lines, merge_in, remove_unused, see_to};
use caddis_view::store::Environments;
use caddis_view::{Error, Result, Runtime};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What this program calls itself with, once for each environment: the process that has a child join an instance is to
/// have one thread, and nothing else in its memory.
pub(crate) const VERB: &str = "packages";

/// So many at a time.
const AT_ONCE: usize = 4;

/// After this no more are begun: a package manager may wait for the end. The rest is done by the
/// next refresh or start. One that its user holds up takes eleven seconds.
const LONGEST: Duration = Duration::from_secs(10);

/// What the workers share.
struct Work {
    queue: Queue<(EnvName, u64)>,
    /// The users for whom a worker is busy, with one environment of each.
    running: BTreeSet<u32>,
    errors: Vec<std::io::Error>,
}

/// Merges all that are `due`, then removes what no environment needs any more. The users take
/// turns, and one whose environments are held up occupies one worker.
pub(crate) fn all(policy: &Policy, due: &[(u32, EnvName, u64)]) -> Result<()> {
    let since = Instant::now();
    let mut due = due.to_vec();
    // Those that did not come to their end the last time come last.
    due.sort_by_cached_key(|(uid, name, _)| has_failed(policy, *uid, name));
    let mut left = due.len();
    let due = due.into_iter();
    let work = Mutex::new(Work {
        queue: Queue::new(due.map(|(uid, name, number)| (uid, (name, number)))),
        running: BTreeSet::new(),
        errors: Vec::new(),
    });
    let worker = || {
        let mut done = 0;
        while since.elapsed() < LONGEST {
            let mut now = locked(&work);
            let Work { queue, running, .. } = &mut *now;
            let Some((uid, (name, number))) = queue.next(|uid| !running.contains(&uid)) else {
                break;
            };
            running.insert(uid);
            drop(now);
            let merged = merge(uid, &name, number);
            let mut now = locked(&work);
            now.running.remove(&uid);
            now.errors.extend(merged.err());
            done += 1;
        }
        done
    };
    left -= std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE.min(left))
            .map(|_| scope.spawn(worker))
            .collect();
        let done = workers.into_iter().filter_map(|worker| worker.join().ok());
        done.sum::<usize>()
    });
    if let Some(error) = locked(&work).errors.pop() {
        return Err(Error::refused("start", "caddis-admin", error));
    }
    if left > 0 {
        let reason = format!("there was no time for {left} environments");
        let hint = "their users keep others busy; the next refresh, or their next start, does it";
        return Err(Error::refused("merge", "the package databases", reason).hint(hint));
    }
    remove_unused(&policy.storage.state)
}

/// Has a process of its own bring together the database of one environment.
fn merge(uid: u32, name: &EnvName, number: u64) -> std::io::Result<()> {
    let [uid, number] = [uid.to_string(), number.to_string()];
    let mut child = Command::new("/proc/self/exe")
        .args([VERB, &uid, name.as_str(), &number])
        .env_clear()
        .stdin(Stdio::null())
        .spawn()?;
    child.wait().map(drop)
}

/// Whether the last merge of an environment did not come to its end.
fn has_failed(policy: &Policy, uid: u32, name: &EnvName) -> bool {
    let notes = || -> Result<Vec<String>> {
        let environments = Environments::of(&policy.storage.state, uid, false)?;
        let environment = environments.map(|all| all.open(name)).transpose()?;
        environment
            .flatten()
            .map_or(Ok(Vec::new()), |one| lines(&one))
    };
    notes().is_ok_and(|notes| notes.iter().any(|note| note.starts_with("failed=")))
}

/// One environment, whose overlays have looked at the base when its database was that of this number.
pub(crate) fn one(policy: &Policy, uid: &str, name: &str, number: &str) -> Result<u8> {
    // For whoever looks at processes: it was executed by way of another name.
    let _ = rustix::thread::set_name(c"caddis-admin");
    let wrong = |_| Error::refused("understand", "the request", "numbers are wanted");
    let (uid, number): (u32, u64) = (uid.parse().map_err(wrong)?, number.parse().map_err(wrong)?);
    let name = EnvName::parse(name.as_bytes())
        .map_err(|error| Error::refused("understand", "the name", error))?;
    let user = host::local_name("/etc/passwd", uid);
    if let Ok(range) = host::range(policy, uid, user.as_deref()) {
        write_as(&range);
    }
    let state = &policy.storage.state;
    let environments = Environments::of(state, uid, false)?;
    let environment = environments.map(|all| all.open(&name)).transpose()?;
    let instance = Runtime::peek(Path::new(RUN), uid, &name)?;
    let (Some(instance), Some(environment)) = (instance, environment.flatten()) else {
        return Ok(0);
    };
    let Some(due) = see_to(state, environment, number, true)? else {
        return Ok(0);
    };
    match merge_in(&due, &instance) {
        Err(_) if instance.has_ended()? => Ok(0),
        other => other.map(|()| 0),
    }
}

//! What a caller may have prepared for a setuid program, undone: descriptors, signals, limits, mask.
//! What belongs to the command, not to us, is kept to be given back.
//!
//! The standard library has already opened `/dev/null` on closed descriptors 0, 1 and 2, so that no
//! file of ours becomes somebody's standard output; the environment is never looked at but by
//! `variables`, and reaches us with every name changed.

use crate::files;
use caddis_sys::{close_from, default_actions, ignore};
use caddis_view::Error;
use caddis_view::error::Context;
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::process::{getrlimit, set_dumpable_behavior, setrlimit, umask};
use std::sync::OnceLock;

/// The parts of the caller's process state that the command gets.
#[derive(Debug)]
pub(crate) struct CallersState {
    pub(crate) umask: Mode,
}

/// The caller's limits that were raised.
static RAISED: OnceLock<Vec<(Resource, Rlimit)>> = OnceLock::new();

fn raised() -> impl Iterator<Item = (Resource, Rlimit)> {
    RAISED.get().into_iter().flatten().copied()
}

/// Puts the limits back under which the caller wants to write.
pub(crate) fn restore_limits() {
    for (resource, limit) in raised() {
        // To lower one is always allowed.
        let _ = setrlimit(resource, limit);
    }
}

impl CallersState {
    /// The limits to give back, that of the stack among them: execve(2) of a setuid program lowers it, and only
    /// the caller knows from what. The hard limit is still the caller's, and nobody gets beyond that.
    pub(crate) fn limits(stack: Option<u64>) -> Vec<(Resource, Rlimit)> {
        let maximum = getrlimit(Resource::Stack).maximum;
        let stack = stack
            .filter(|soft| maximum.is_none_or(|hard| *soft <= hard))
            .map(|soft| {
                let current = (soft != u64::MAX).then_some(soft);
                (Resource::Stack, Rlimit { current, maximum })
            });
        raised().chain(stack).collect()
    }
}

/// Limits that would make us fail half-way if they were very low, and what we need. That of processes becomes that of a
/// whole instance, for later sessions as well: the hard one then, not what one caller has set for this session.
const NEEDED: [(Resource, u64); 3] = [
    (Resource::Nofile, 65536),
    (Resource::Fsize, 1 << 40),
    (Resource::Nproc, 1 << 22),
];

pub(crate) fn sanitise() -> Result<CallersState, Error> {
    // What the request does not ask for goes as soon as it is understood; see `files`.
    close_from((files::FIRST + files::MOST).into())
        .doing("close", || "the caller's descriptors")?;
    // Setuid programs are so already; this one is also run by root.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("prctl", || "PR_SET_DUMPABLE")?;
    let umask = umask(Mode::from_raw_mode(0o022));
    // SIGCHLD ignored would lose a child's status; SIGXFSZ would end us where an error can be told.
    default_actions(&[Signal::CHILD.as_raw()]);
    ignore(Signal::XFSZ.as_raw());
    RAISED.get_or_init(raise_limits);
    Ok(CallersState { umask })
}

/// Raises soft limits as far as the hard ones allow, and returns what they were. A hard limit that is
/// too low shows in the message of what fails.
fn raise_limits() -> Vec<(Resource, Rlimit)> {
    let mut former = Vec::new();
    for (resource, needed) in NEEDED {
        let limit = getrlimit(resource);
        if limit.current.is_some_and(|current| current < needed) {
            let current = match limit.maximum {
                Some(maximum) => Some(maximum.min(needed)),
                None => Some(needed),
            };
            let raised = Rlimit {
                current,
                maximum: limit.maximum,
            };
            if setrlimit(resource, raised).is_ok() {
                former.push((resource, limit));
            }
        }
    }
    former
}

//! A file per verb, and what they share.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod packages;
pub(crate) mod ps;
pub(crate) mod remove;
pub(crate) mod revert;
pub(crate) mod session;
pub(crate) mod stop;
pub(crate) mod trial;

use crate::host::RUN;
use caddis_policy::EnvName;
use caddis_view::instance::REMOVED;
use caddis_view::lock::lock_deadline;
use caddis_view::{Result, Runtime};
use std::path::Path;
use std::time::Instant;

/// Runs an operation on an environment under its lock. It starts again if the environment, or the
/// directory of an ended instance, was removed while it waited for the lock.
fn locked<T>(uid: u32, name: &EnvName, mut action: impl FnMut(&Runtime) -> Result<T>) -> Result<T> {
    loop {
        match locked_before(lock_deadline(), uid, name, &mut action) {
            Err(error) if error.errno == Some(REMOVED) => {}
            other => return other,
        }
    }
}

/// The same; nobody waits for the lock beyond `end`, or starts again then.
fn locked_before<T>(
    end: Instant,
    uid: u32,
    name: &EnvName,
    mut action: impl FnMut(&Runtime) -> Result<T>,
) -> Result<T> {
    loop {
        let runtime = Runtime::lock_before(end, Path::new(RUN), uid, name)?;
        match action(&runtime) {
            Err(error) if error.errno == Some(REMOVED) && Instant::now() < end => {}
            other => return other,
        }
    }
}

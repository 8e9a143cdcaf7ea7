//! `stop`: ends all processes of an environment.

use crate::caller::Whom;
use crate::host::RUN;
use crate::output::{self, printable};
use crate::processes;
use caddis_policy::{EnvName, Policy};
use caddis_view::instance::REMOVED;
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Instance, Runtime, Use};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long process 1 may take to say whether an instance is still in use.
const LONGEST: Duration = Duration::from_secs(60);

pub(crate) fn run(policy: &Policy, whom: &Whom, name: Option<&EnvName>) -> Result<u8, Error> {
    let mut status = 0;
    // One that cannot be ended is no reason to leave the others running.
    let mut tell = |error: &Error| {
        output::error(error);
        status = crate::FAILED;
    };
    for uid in whom.uids(policy)? {
        let names = match (names(policy, uid, name), name) {
            (Err(error), None) => {
                tell(&error);
                continue;
            }
            (names, _) => names?,
        };
        for name in &names {
            if let Err(error) = stop(policy, uid, name) {
                tell(&error);
            }
        }
    }
    Ok(status)
}

/// The environments of a user that are meant.
fn names(policy: &Policy, uid: u32, only: Option<&EnvName>) -> Result<Vec<EnvName>, Error> {
    let environments = Environments::of(&policy.storage.state, uid, false)?;
    match (&environments, only) {
        (Some(environments), Some(name)) if environments.open(name)?.is_some() => {
            Ok(vec![name.clone()])
        }
        (_, Some(name)) => Err(missing(name)),
        (Some(environments), None) => environments.names(),
        (None, None) => Ok(Vec::new()),
    }
}

fn stop(policy: &Policy, uid: u32, name: &EnvName) -> Result<(), Error> {
    if Runtime::peek(Path::new(RUN), uid, name)?.is_none() {
        return Ok(());
    }
    let runtime = Runtime::lock(Path::new(RUN), uid, name)?;
    let stopped = runtime.running().and_then(|running| match running {
        Some(instance) => runtime.stop(&instance, policy.session.stop_grace),
        None => Ok(()),
    });
    match stopped {
        Err(error) if error.errno == Some(REMOVED) => Ok(()),
        other => other,
    }
}

/// Ends an instance that only lingers, under its lock; refuses to `operation` one in which something goes on.
pub(crate) fn end_idle(
    policy: &Policy,
    runtime: &Runtime,
    operation: &str,
    name: &EnvName,
) -> Result<(), Error> {
    let since = Instant::now();
    while let Some(instance) = runtime.running()? {
        let going_on = match runtime.in_use()? {
            Some(Use::Sessions) => Some("sessions are running in it".to_owned()),
            Some(Use::Undecided) if since.elapsed() < LONGEST => {
                runtime.wait_for_verdict(&instance)?;
                continue;
            }
            // Whoever does not get to a decision has ended nothing yet.
            Some(Use::Processes | Use::Undecided) => left_over(&instance),
            None => None,
        };
        if let Some(reason) = going_on {
            let object = format!("the environment \"{name}\"");
            return Err(Error::refused(operation, object, reason).hint(format!(
                "see them with `caddis ps {name}`, end them with `caddis stop {name}`"
            )));
        }
        runtime.stop(&instance, policy.session.stop_grace)?;
    }
    Ok(())
}

/// The processes that outlast the sessions, in words; `None`: they have just ended.
fn left_over(instance: &Instance) -> Option<String> {
    let all = processes::all();
    let mut left = processes::of_instance(&all, instance).into_iter();
    let (process, _) = left.next()?;
    let others = match left.count() {
        0 => "",
        _ => " and others",
    };
    let (pid, name) = (process.inside(), process.name());
    let name = printable(&String::from_utf8_lossy(&name));
    Some(format!(
        "processes go on in it without a session: {pid} ({name}){others}"
    ))
}

//! `stop`: ends all processes of an environment.

use crate::caller::Whom;
use crate::host::RUN;
use crate::output::{self, printable};
use crate::preferred::{By, environment};
use crate::processes;
use caddis_policy::{EnvName, Policy};
use caddis_view::instance::REMOVED;
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Instance, Runtime, Use};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long process 1 may take to say whether an instance is still in use.
const LONGEST: Duration = Duration::from_secs(60);

/// The one of this name, or the one that is meant.
pub(crate) fn one(policy: &Policy, whom: &Whom, name: Option<&EnvName>) -> Result<u8, Error> {
    let uid = whom.uid(policy)?;
    let environments = Environments::seen(&policy.storage.state, uid, whom.by_root)?;
    let name = environment(policy, environments.as_ref(), name, By::Command)?;
    match environments
        .map(|all| all.open(&name))
        .transpose()?
        .flatten()
    {
        Some(_) => stop(policy, uid, &name).map(|()| 0),
        None => Err(missing(&name)),
    }
}

/// Every one of every user that is meant.
pub(crate) fn every(policy: &Policy, whom: &Whom) -> Result<u8, Error> {
    let mut status = 0;
    // One that cannot be ended is no reason to leave the others running.
    let mut tell = |error: &Error| {
        output::error(error);
        status = crate::FAILED;
    };
    for uid in whom.uids(policy)? {
        let names = match names(policy, whom, uid) {
            Err(error) => {
                tell(&error);
                continue;
            }
            Ok(names) => names,
        };
        for name in &names {
            if let Err(error) = stop(policy, uid, name) {
                tell(&error);
            }
        }
    }
    Ok(status)
}

fn names(policy: &Policy, whom: &Whom, uid: u32) -> Result<Vec<EnvName>, Error> {
    match Environments::seen(&policy.storage.state, uid, whom.by_root)? {
        Some(environments) => environments.names(),
        None => Ok(Vec::new()),
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

//! `stop`: ends all processes of an environment.

use crate::answer::Answer;
use crate::caller::Whom;
use crate::host::RUN;
use crate::output::printable;
use crate::preferred::{By, environment};
use crate::processes;
use crate::strays;
use caddis_policy::{EnvName, Policy};
use caddis_view::refresh::{instances_of, users_with_instances};
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Instance, Runtime, Use, stopping};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long process 1 may take to say whether an instance is still in use, where there is more time.
const LONGEST: Duration = Duration::from_secs(60);

/// The one of this name, or the one that is meant.
pub(crate) fn one(policy: &Policy, whom: &Whom, name: Option<&EnvName>) -> Result<Answer, Error> {
    let uid = whom.uid(policy)?;
    let environments = Environments::seen(&policy.storage.state, uid, whom.by_root)?;
    let name = environment(policy, environments.as_ref(), name, By::Command)?;
    match environments
        .map(|all| all.open(&name))
        .transpose()?
        .flatten()
    {
        Some(_) => Ok(answer(stop_all(policy, &[(uid, name)]))),
        None => Err(missing(&name)),
    }
}

/// Ends all environments of these users. If root asks, it also ends what runs on the host with ids
/// of their environments.
pub(crate) fn every(policy: &Policy, whom: &Whom) -> Result<Answer, Error> {
    let mut errors = Vec::new();
    let mut uids: BTreeSet<u32> = whom.uids(policy)?.into_iter().collect();
    if whom.is_everybody() {
        // Those whose environments have gone from disk, too.
        match users_with_instances(Path::new(RUN)) {
            Ok(more) => uids.extend(more),
            Err(error) => errors.push(error),
        }
    }
    let mut wanted = Vec::new();
    for uid in &uids {
        // One that cannot be ended is no reason to leave the others running.
        match instances_of(Path::new(RUN), *uid) {
            Ok(found) => wanted.extend(found),
            Err(error) => errors.push(error),
        }
    }
    errors.extend(stop_all(policy, &wanted));
    if whom.by_root {
        let uids: Vec<u32> = uids.into_iter().collect();
        errors.extend(strays::end(policy, &uids));
    }
    Ok(answer(errors))
}

/// Ends these environments' instances, all together.
pub(crate) fn stop_all(policy: &Policy, wanted: &[(u32, EnvName)]) -> Vec<Error> {
    stopping::stop_all(Path::new(RUN), wanted, policy.session.stop_grace)
}

fn answer(errors: Vec<Error>) -> Answer {
    let mut answer = Answer::default();
    errors.into_iter().for_each(|error| answer.error(error));
    answer
}

/// Ends an instance that only lingers, under its lock; refuses to `operation` one in which something
/// goes on. Nothing is waited for beyond `end`.
pub(crate) fn end_idle(
    policy: &Policy,
    runtime: &Runtime,
    operation: &str,
    name: &EnvName,
    end: Instant,
) -> Result<(), Error> {
    let decided = end.min(Instant::now() + LONGEST);
    while let Some(instance) = runtime.running(end)? {
        let going_on = match runtime.in_use()? {
            Some(Use::Sessions) => Some("sessions are running in it".to_owned()),
            Some(Use::Undecided) if Instant::now() < decided => {
                runtime.wait_for_verdict(&instance, end)?;
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
        runtime.stop(&instance, policy.session.stop_grace, end)?;
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

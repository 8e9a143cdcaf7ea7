//! `remove`: removes environments with all that is in them.

use super::locked_before;
use super::stop::end_idle;
use super::trial::refuse_to_disturb;
use crate::answer::Answer;
use crate::caller::Whom;
use crate::host::RUN;
use caddis_policy::{EnvName, Policy};
use caddis_view::Error;
use caddis_view::instance::lock_deadline;
use caddis_view::stopping::stop_each;
use caddis_view::store::{Environments, missing};
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    names: &[EnvName],
    force: bool,
) -> Result<Answer, Error> {
    let uid = whom.uid(policy)?;
    let environments = Environments::seen(&policy.storage.state, uid, whom.by_root)?;
    let mut answer = Answer::default();
    // All together: one that cannot be ended keeps none of the others waiting.
    let stopped = match force {
        true => {
            let wanted: Vec<_> = names.iter().map(|name| (uid, name.clone())).collect();
            stop_each(Path::new(RUN), &wanted, policy.session.stop_grace)
        }
        false => names.iter().map(|_| Ok(())).collect(),
    };
    let end = lock_deadline();
    for (name, stopped) in names.iter().zip(stopped) {
        let result = match &environments {
            Some(environments) if stopped.is_ok() => {
                remove(policy, environments, uid, name, force, end)
            }
            Some(_) => stopped,
            None => Err(missing(name)),
        };
        if let Err(error) = result {
            answer.error(error);
        }
    }
    Ok(answer)
}

fn remove(
    policy: &Policy,
    environments: &Environments,
    uid: u32,
    name: &EnvName,
    force: bool,
    end: Instant,
) -> Result<(), Error> {
    let there = || match environments.open(name)? {
        Some(_) => Ok(()),
        None => Err(missing(name)),
    };
    // Before a lock is made for it.
    there()?;
    locked_before(end, uid, name, |runtime| {
        while force && let Some(instance) = runtime.running()? {
            runtime.stop(&instance, policy.session.stop_grace)?;
        }
        end_idle(policy, runtime, "remove", name)?;
        if !force {
            refuse_to_disturb(environments, runtime, "remove", name)?;
        }
        there()?;
        environments.remove(name)?;
        // Its try is gone, and with it the need to know who decides about it.
        runtime.forget_owner();
        Ok(())
    })
}

//! `remove`: removes environments with all that is in them.

use super::locked;
use super::stop::end_idle;
use super::trial::refuse_to_disturb;
use crate::answer::Answer;
use crate::caller::Whom;
use caddis_policy::{EnvName, Policy};
use caddis_view::Error;
use caddis_view::store::{Environments, missing};

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    names: &[EnvName],
    force: bool,
) -> Result<Answer, Error> {
    let uid = whom.uid(policy)?;
    let environments = Environments::seen(&policy.storage.state, uid, whom.by_root)?;
    let mut answer = Answer::default();
    for name in names {
        let result = match &environments {
            Some(environments) => remove(policy, environments, uid, name, force),
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
) -> Result<(), Error> {
    let there = || match environments.open(name)? {
        Some(_) => Ok(()),
        None => Err(missing(name)),
    };
    // Before a lock is made for it.
    there()?;
    locked(uid, name, |runtime| {
        while force && let Some(instance) = runtime.running()? {
            runtime.stop(&instance, policy.session.stop_grace)?;
        }
        end_idle(policy, runtime, "remove", name)?;
        if !force {
            refuse_to_disturb(environments, runtime, "remove", name)?;
        }
        there()?;
        environments.remove(name)?;
        // Whose word its try waited for is of no more interest.
        runtime.forget_owner();
        Ok(())
    })
}

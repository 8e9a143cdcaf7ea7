//! `remove`: removes environments with all that is in them.

use super::locked_before;
use super::stop::end_idle;
use super::trial::refuse_to_disturb;
use crate::answer::Answer;
use crate::caller::Whom;
use crate::host::RUN;
use caddis_policy::{EnvName, Policy};
use caddis_view::lock::LONGEST;
use caddis_view::stopping::stop_each;
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Runtime};
use std::path::Path;
use std::time::{Duration, Instant};

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
    // For all together, in equal shares: one that is locked or does not end takes no other's.
    let mut patience = LONGEST;
    for ((name, stopped), left) in names.iter().zip(stopped).zip((1..=names.len()).rev()) {
        let share = patience / u32::try_from(left).unwrap_or(u32::MAX);
        let result = match &environments {
            Some(environments) if stopped.is_ok() => {
                let (result, waited) = remove(policy, environments, uid, name, force, share);
                patience = patience.saturating_sub(waited);
                result
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

/// Removes one, for whose end and lock it waits for `patience` at most. Returned is also how long it
/// waited: the removal itself takes as long as it takes.
fn remove(
    policy: &Policy,
    environments: &Environments,
    uid: u32,
    name: &EnvName,
    force: bool,
    patience: Duration,
) -> (Result<(), Error>, Duration) {
    let since = Instant::now();
    let end = since + patience;
    let mut waited = None;
    let there = || match environments.open(name)? {
        Some(_) => Ok(()),
        None => Err(missing(name)),
    };
    let removal = |runtime: &Runtime| {
        while force && let Some(instance) = runtime.running(end)? {
            runtime.stop(&instance, policy.session.stop_grace, end)?;
        }
        end_idle(policy, runtime, "remove", name, end)?;
        if !force {
            refuse_to_disturb(environments, runtime, "remove", name)?;
        }
        there()?;
        waited = Some(since.elapsed());
        environments.remove(name)?;
        // Its try is gone, and with it the need to know who decides about it.
        runtime.forget_owner();
        Ok(())
    };
    // Before a lock is made for it.
    let result = there().and_then(|()| locked_before(end, uid, name, removal));
    (result, waited.unwrap_or_else(|| since.elapsed()))
}

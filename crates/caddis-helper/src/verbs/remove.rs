//! `remove`: removes environments with all that is in them.

use super::stop::end_idle;
use super::trial::refuse_to_disturb;
use crate::caller::Whom;
use crate::host::RUN;
use crate::output;
use caddis_policy::{EnvName, Policy};
use caddis_view::instance::lock_deadline;
use caddis_view::stopping::stop_each;
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Runtime};
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    names: &[EnvName],
    force: bool,
) -> Result<u8, Error> {
    let uid = whom.uid(policy)?;
    let environments = Environments::of(&policy.storage.state, uid, false)?;
    let mut status = 0;
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
            output::error(&error);
            status = super::super::FAILED;
        }
    }
    Ok(status)
}

fn remove(
    policy: &Policy,
    environments: &Environments,
    uid: u32,
    name: &EnvName,
    force: bool,
    end: Instant,
) -> Result<(), Error> {
    if environments.open(name)?.is_none() {
        return Err(missing(name));
    }
    let runtime = Runtime::lock_before(end, Path::new(RUN), uid, name)?;
    while force && let Some(instance) = runtime.running()? {
        runtime.stop(&instance, policy.session.stop_grace)?;
    }
    end_idle(policy, &runtime, "remove", name)?;
    if !force {
        refuse_to_disturb(environments, &runtime, "remove", name)?;
    }
    environments.remove(name)?;
    runtime.remove()
}

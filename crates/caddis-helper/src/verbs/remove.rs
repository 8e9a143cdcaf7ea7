//! `remove`: removes environments with all that is in them.

use super::stop::end_idle;
use super::trial::refuse_to_disturb;
use crate::caller::Whom;
use crate::host::RUN;
use crate::output;
use caddis_policy::{EnvName, Policy};
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Runtime};
use std::path::Path;

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    names: &[EnvName],
    force: bool,
) -> Result<u8, Error> {
    let uid = whom.uid(policy)?;
    let environments = Environments::seen(&policy.storage.state, uid, whom.by_root)?;
    let mut status = 0;
    for name in names {
        let result = match &environments {
            Some(environments) => remove(policy, environments, uid, name, force),
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
) -> Result<(), Error> {
    if environments.open(name)?.is_none() {
        return Err(missing(name));
    }
    let runtime = Runtime::lock(Path::new(RUN), uid, name)?;
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

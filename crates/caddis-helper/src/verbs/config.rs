//! `config`: the settings of an environment, and the user's own.

use crate::answer::Answer;
use crate::arguments::Setting;
use crate::caller::Whom;
use crate::preferred::{By, environment};
use crate::settings::{OF_ENVIRONMENT, OF_USER, Settings};
use caddis_policy::{EnvName, Policy};
use caddis_view::Error;
use caddis_view::store::{Environments, missing};

/// The settings of an environment.
pub(crate) fn read_settings(
    environments: &Environments,
    name: &EnvName,
) -> Result<Settings, Error> {
    let directory = environments.open(name)?.ok_or_else(|| missing(name))?;
    OF_ENVIRONMENT.read(Some(&directory), name.as_str())
}

/// Shows or changes the settings of an environment.
pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    name: &EnvName,
    setting: &Setting,
) -> Result<Answer, Error> {
    let uid = whom.uid(policy)?;
    let environments =
        Environments::of(&policy.storage.state, uid, false)?.ok_or_else(|| missing(name))?;
    let directory = environments.open(name)?.ok_or_else(|| missing(name))?;
    OF_ENVIRONMENT.answer(Some(&directory), name.as_str(), setting)
}

/// Shows or changes the user's own.
pub(crate) fn own(policy: &Policy, whom: &Whom, setting: &Setting) -> Result<Answer, Error> {
    let uid = whom.uid(policy)?;
    OF_USER.allow(setting)?;
    let create = matches!(setting, Setting::Change(..));
    let environments = Environments::of(&policy.storage.state, uid, create)?;
    let directory = environments.as_ref().map(Environments::directory);
    OF_USER.answer(directory, "the user", setting)
}

/// Tells which environment is meant where none is named.
pub(crate) fn which(policy: &Policy, whom: &Whom) -> Result<Answer, Error> {
    let environments = Environments::of(&policy.storage.state, whom.uid(policy)?, false)?;
    let name = environment(policy, environments.as_ref(), None, By::Command)?;
    let mut answer = Answer::default();
    answer.line(name.as_str());
    Ok(answer)
}

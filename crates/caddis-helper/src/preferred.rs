//! Which environment is meant where none is named: decided here for everybody who asks.

use crate::settings::OF_USER;
use caddis_policy::{EnvName, Policy, Preferred};
use caddis_view::Error;
use caddis_view::store::Environments;

/// What asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A command of the user's.
    Command,
    /// A login, for which the administrator has a say as well.
    Login,
}

/// The environment of this name; without one, that of the user's setting, that of the policy for a login, "default".
pub(crate) fn environment(
    policy: &Policy,
    environments: Option<&Environments>,
    named: Option<&EnvName>,
    by: By,
) -> Result<EnvName, Error> {
    if let Some(name) = named {
        return Ok(name.clone());
    }
    let directory = environments.map(Environments::directory);
    let own = OF_USER.read(directory, "the user")?.preferred();
    let preferred = match by {
        By::Login => own.or_else(|| Some(policy.login.environment.clone())),
        By::Command => own,
    };
    Ok(match preferred {
        Some(Preferred::Named(name)) => name,
        Some(Preferred::Last) => match environments {
            Some(environments) => environments.used_last()?.unwrap_or_default(),
            None => EnvName::default(),
        },
        None => EnvName::default(),
    })
}

//! `new`: makes an environment, or a copy of one.

use crate::caller::Whom;
use crate::host::RUN;
use caddis_policy::{EnvName, Policy};
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Runtime};
use rustix::io::Errno;
use std::path::Path;

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    name: &EnvName,
    from: Option<&EnvName>,
) -> Result<u8, Error> {
    let identity = whom.identity(policy)?;
    let environments = Environments::of(&policy.storage.state, identity.uid, true)?
        .ok_or_else(|| Error::kernel("open", "the environments of the user", Errno::NOENT))?;
    environments.remove_leftovers()?;
    if let Some(from) = from {
        if environments.open(from)?.is_none() {
            return Err(missing(from));
        }
        // Nothing may change while it is copied: half a package database is worse than none.
        let runtime = Runtime::lock(Path::new(RUN), identity.uid, from)?;
        super::stop::end_idle(policy, &runtime, "copy", from)?;
        super::trial::finish(&environments, from)?;
        // Copies of the base's files that a killed instance has left are told from the user's by being the same files.
        if let Some(directory) = environments.open(from)? {
            caddis_changes::renew::give_back(&directory)?;
        }
        environments.copy(from, name, policy.storage.environments)?;
    } else if !environments.create(name, policy.storage.environments)? {
        return Err(Error::refused(
            "create the environment",
            name,
            "it exists already",
        ));
    }
    Ok(0)
}

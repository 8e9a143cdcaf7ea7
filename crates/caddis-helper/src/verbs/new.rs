//! `new`: makes an environment, or a copy of one.

use super::locked;
use super::stop::end_idle;
use super::trial::finish;
use crate::answer::Answer;
use crate::caller::Whom;
use caddis_policy::{EnvName, Policy};
use caddis_view::Error;
use caddis_view::ending::end_deadline;
use caddis_view::store::{Environments, missing};
use rustix::io::Errno;

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    name: &EnvName,
    from: Option<&EnvName>,
) -> Result<Answer, Error> {
    let identity = whom.identity(policy)?;
    let environments = Environments::of(&policy.storage.state, identity.uid, true)?
        .ok_or_else(|| Error::kernel("open", "the environments of the user", Errno::NOENT))?;
    environments.remove_leftovers()?;
    if let Some(from) = from {
        let there = || environments.open(from)?.ok_or_else(|| missing(from));
        // Before a lock is made for it.
        there()?;
        // Nothing may change while it is copied: half a package database is worse than none.
        locked(identity.uid, from, |runtime| {
            end_idle(policy, runtime, "copy", from, end_deadline())?;
            let directory = there()?;
            finish(&environments, from)?;
            // Copies of the base's files that a killed instance has left are the same files as the
            // base's; the user's are not.
            caddis_changes::renew::give_back(&directory)?;
            environments.copy(from, name, policy.storage.environments)
        })?;
    } else if !environments.create(name, policy.storage.environments)? {
        return Err(Error::refused(
            "create the environment",
            name,
            "it exists already",
        ));
    }
    Ok(Answer::default())
}

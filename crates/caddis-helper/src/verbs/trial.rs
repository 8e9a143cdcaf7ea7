//! `try`: what becomes of a try. And what a try means for whatever else is done with its environment: while somebody
//! waits for its end or a word about it, the environment stays as it is; one that nobody waits for any more is
//! discarded; one that is to be kept is kept first.

use super::locked;
use super::stop::end_idle;
use crate::answer::Answer;
use crate::arguments::Word;
use crate::caller::Whom;
use caddis_changes::keep::merged;
use caddis_policy::{EnvName, Policy};
use caddis_view::ending::end_deadline;
use caddis_view::owner::Owner;
use caddis_view::store::{Environments, missing};
use caddis_view::trial::{Trial, no_trial};
use caddis_view::{Error, Runtime};

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    name: &EnvName,
    word: Word,
) -> Result<Answer, Error> {
    let uid = whom.uid(policy)?;
    let environments =
        Environments::of(&policy.storage.state, uid, false)?.ok_or_else(|| missing(name))?;
    // Before a lock is made for it.
    environments.open(name)?.ok_or_else(|| missing(name))?;
    locked(uid, name, |runtime| {
        decide(policy, &environments, runtime, name, word)
    })?;
    Ok(Answer::default())
}

fn decide(
    policy: &Policy,
    environments: &Environments,
    runtime: &Runtime,
    name: &EnvName,
    word: Word,
) -> Result<(), Error> {
    end_idle(
        policy,
        runtime,
        "decide about the try of",
        name,
        end_deadline(),
    )?;
    environments.open(name)?.ok_or_else(|| missing(name))?;
    if word == Word::Discard && environments.trial(name)? == Some(Trial::Kept) {
        // It was to be kept, and could not be yet: the user may think better of it.
        environments.leave_undecided(name)?;
    }
    finish(environments, name)?;
    if environments.trial(name)?.is_none() {
        return Err(no_trial(name));
    }
    if let Some(owner) = runtime.owner()?
        && Some(owner) != Owner::parent()?
    {
        return Err(going_on("decide about the try of", name, owner));
    }
    match word {
        Word::Check => return Ok(()),
        Word::Keep => {
            environments.decide_to_keep(name)?;
            if let Err(error) = finish(environments, name) {
                // It can be said again once there is room.
                environments.leave_undecided(name)?;
                return Err(error.hint(format!(
                    "nothing is lost: `caddis try -e {name} --keep` does it once that is put right"
                )));
            }
        }
        Word::Discard => environments.discard_trial(name)?,
    }
    // Nobody's word is waited for any more.
    runtime.forget_owner();
    Ok(())
}

/// Before anything else is done with an environment: keeps a try that is to be kept.
pub(crate) fn finish(environments: &Environments, name: &EnvName) -> Result<(), Error> {
    if environments.trial(name)? != Some(Trial::Kept) {
        return Ok(());
    }
    environments
        .keep_trial(name, merged)
        .map_err(|error| Error {
            operation: format!("keep the try of \"{name}\": {}", error.operation),
            ..error
        })
}

/// Refuses to `operation` an environment of which a try goes on.
pub(crate) fn refuse_to_disturb(
    environments: &Environments,
    runtime: &Runtime,
    operation: &str,
    name: &EnvName,
) -> Result<(), Error> {
    match runtime.owner()? {
        Some(owner) if environments.trial(name)? == Some(Trial::Undecided) => {
            Err(going_on(operation, name, owner))
        }
        _ => Ok(()),
    }
}

/// Clears away the try of an environment that is to be used, under its lock; what is to be said of it, once the lock
/// is given back.
pub(crate) fn make_way(
    policy: &Policy,
    environments: &Environments,
    runtime: &Runtime,
    name: &EnvName,
) -> Result<Option<String>, Error> {
    let Some(trial) = environments.trial(name)? else {
        return Ok(None);
    };
    refuse_to_disturb(environments, runtime, "use", name)?;
    // Whoever waited for it was killed, but perhaps not what it runs.
    end_idle(policy, runtime, "use", name, end_deadline())?;
    match trial {
        Trial::Kept => {
            finish(environments, name)?;
            Ok(None)
        }
        Trial::Undecided => {
            environments.discard_trial(name)?;
            let text = format!("a try of \"{name}\" that nobody has kept is discarded");
            Ok(Some(text))
        }
    }
}

/// Makes a try of an environment, or goes on with that of the same caller; under its lock.
pub(crate) fn begin(
    policy: &Policy,
    environments: &Environments,
    runtime: &Runtime,
    name: &EnvName,
) -> Result<Option<String>, Error> {
    let parent = Owner::parent()?;
    let own = parent.is_some() && runtime.owner()? == parent;
    if own && environments.trial(name)? == Some(Trial::Undecided) {
        end_idle(policy, runtime, "try something in", name, end_deadline())?;
        return Ok(None);
    }
    let said = make_way(policy, environments, runtime, name)?;
    end_idle(policy, runtime, "try something in", name, end_deadline())?;
    environments.create(name, policy.storage.environments)?;
    // First: a try of which nobody knows whose it is can be discarded by anybody.
    runtime.note_owner(parent)?;
    environments.begin_trial(name)?;
    Ok(said)
}

fn going_on(operation: &str, name: &EnvName, Owner { pid, .. }: Owner) -> Error {
    let object = format!("the environment \"{name}\"");
    let reason = format!("a try of it goes on (process {pid})");
    Error::refused(operation, object, reason).hint(format!(
        "say there whether to keep it; or end it with `kill {pid}`, and it is discarded with the next use"
    ))
}

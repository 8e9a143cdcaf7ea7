//! `list`: the environments of a user, a line each.

use crate::answer::Answer;
use crate::caller::Whom;
use crate::host::RUN;
use crate::output::fields;
use crate::processes::{self, Process};
use caddis_policy::{EnvName, Policy};
use caddis_view::store::Environments;
use caddis_view::{Error, Runtime};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(crate) fn run(policy: &Policy, whom: &Whom) -> Result<Answer, Error> {
    let uids = whom.uids(policy)?;
    let all = processes::of_those(policy, whom, &uids);
    let mut answer = Answer::default();
    for uid in uids {
        // One that cannot be measured, or that is removed at this moment, does not hide the others.
        let listed = of_user(policy, whom, uid, &mut |environments, name| match one(
            environments,
            uid,
            name,
            &all,
        ) {
            Ok(fields) => answer.line(fields),
            Err(_) if matches!(environments.open(name), Ok(None)) => {}
            Err(error) => answer.error(error),
        });
        if let Err(error) = listed {
            answer.error(error);
        }
    }
    Ok(answer)
}

/// Does something with each environment of a user.
fn of_user(
    policy: &Policy,
    whom: &Whom,
    uid: u32,
    each: &mut dyn FnMut(&Environments, &EnvName),
) -> Result<(), Error> {
    if let Some(environments) = Environments::seen(&policy.storage.state, uid, whom.by_root)? {
        for name in environments.names()? {
            each(&environments, &name);
        }
    }
    Ok(())
}

/// The line of one of them.
fn one(
    environments: &Environments,
    uid: u32,
    name: &EnvName,
    all: &BTreeMap<i32, Process>,
) -> Result<String, Error> {
    let instance = Runtime::peek(Path::new(RUN), uid, name)?;
    let members = instance
        .as_ref()
        .map(|instance| processes::of_instance(all, instance));
    let state = match &members {
        None => "stopped",
        Some(members) if members.is_empty() => "idle",
        // With a session, or with what has outlasted the last one.
        Some(_) => "running",
    };
    let members = members.unwrap_or_default().into_iter();
    let sessions: BTreeSet<i32> = members.filter_map(|(_, session)| session).collect();
    let usage = environments.usage(name)?;
    Ok(fields(&[
        ("uid", &uid.to_string()),
        ("name", name.as_str()),
        ("state", state),
        ("sessions", &sessions.len().to_string()),
        ("bytes", &usage.bytes.to_string()),
        ("used", &usage.used.to_string()),
    ]))
}

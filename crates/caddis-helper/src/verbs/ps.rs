//! `ps`: the processes of environments, a line each; for root also those outside that have ids of
//! environments.

use crate::answer::Answer;
use crate::caller::Whom;
use crate::host::RUN;
use crate::processes::{self, Process, Shown, boot_time};
use crate::strays::Owners;
use caddis_policy::{EnvName, IdRange, Policy};
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Runtime};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn run(policy: &Policy, whom: &Whom, only: Option<&EnvName>) -> Result<Answer, Error> {
    let uids = whom.uids(policy)?;
    let all = processes::of_those(policy, whom, &uids);
    let booted = boot_time();
    let mut answer = Answer::default();
    for &uid in &uids {
        let name = crate::host::local_name("/etc/passwd", uid);
        let range = crate::host::range(policy, uid, name.as_deref()).ok();
        let names = match (names(policy, whom, uid, only), only) {
            // One that cannot be looked at does not hide the others.
            (Err(error), None) => {
                answer.error(error);
                continue;
            }
            (names, _) => names?,
        };
        for name in names {
            match one(uid, &name, range.as_ref(), &all, booted) {
                Ok(lines) => lines.into_iter().for_each(|line| answer.line(line)),
                Err(error) => answer.error(error),
            }
        }
    }
    if whom.by_root && only.is_none() {
        let owners = Owners::of(policy, &uids);
        for (process, uid, range) in owners.strays(&all) {
            let shown = Shown {
                uid,
                name: NOWHERE,
                range: Some(range),
                booted,
            };
            answer.line(shown.line(process, None));
        }
    }
    Ok(answer)
}

/// What is shown instead of an environment for a process that is in none.
const NOWHERE: &str = "-";

/// The environments of a user that are meant.
fn names(
    policy: &Policy,
    whom: &Whom,
    uid: u32,
    only: Option<&EnvName>,
) -> Result<Vec<EnvName>, Error> {
    let mut names = match Environments::seen(&policy.storage.state, uid, whom.by_root)? {
        Some(environments) => environments.names()?,
        None => Vec::new(),
    };
    if let Some(only) = only {
        names.retain(|name| name == only);
        if names.is_empty() {
            return Err(missing(only));
        }
    }
    Ok(names)
}

/// The lines of one of them.
fn one(
    uid: u32,
    name: &EnvName,
    range: Option<&IdRange>,
    all: &BTreeMap<i32, Process>,
    booted: u64,
) -> Result<Vec<String>, Error> {
    let Some(instance) = Runtime::peek(Path::new(RUN), uid, name)? else {
        return Ok(Vec::new());
    };
    let shown = Shown {
        uid,
        name: name.as_str(),
        range,
        booted,
    };
    let members = processes::of_instance(all, &instance).into_iter();
    let lines = members.map(|(process, session)| shown.line(process, session));
    Ok(lines.collect())
}

//! `packages`: what there is to say of an environment's packages, a line each; or its package database as it is, for
//! the caller to read: it is the caller's own, and nothing in it is looked at here.

use crate::answer::{Answer, Stream};
use crate::caller::Whom;
use caddis_policy::{EnvName, Policy};
use caddis_view::error::Context;
use caddis_view::packages::{MOST, lines, own_status};
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Result};
use rustix::fs::fstat;

pub(crate) fn run(policy: &Policy, whom: &Whom, name: &EnvName, status: bool) -> Result<Answer> {
    let environments = Environments::of(&policy.storage.state, whom.uid(policy)?, false)?;
    let environment = environments.map(|all| all.open(name)).transpose()?;
    let environment = environment.flatten().ok_or_else(|| missing(name))?;
    let mut answer = Answer::default();
    if !status {
        let lines = lines(&environment)?.into_iter();
        lines.for_each(|line| answer.line(line));
        return Ok(answer);
    }
    let Some(from) = own_status(&environment)? else {
        return Ok(answer);
    };
    let object = "the environment's package database";
    let size = fstat(&from).doing("stat", || object)?.st_size;
    let most = u64::try_from(MOST).unwrap_or(u64::MAX);
    if u64::try_from(size).unwrap_or(u64::MAX) > most {
        return Err(Error::refused("read", object, "it is too large"));
    }
    answer.stream(Stream {
        from,
        object,
        most,
        writer: None,
    });
    Ok(answer)
}

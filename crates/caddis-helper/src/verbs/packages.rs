//! `packages`: what there is to say of an environment's packages, a line each; or its package database as it is, for
//! the caller to read: it is the caller's own, and nothing in it is looked at here.

use crate::caller::{Whom, only_tell};
use crate::output;
use caddis_policy::{EnvName, Policy};
use caddis_view::error::Context;
use caddis_view::packages::{MOST, lines, own_status};
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Result};
use rustix::fs::fstat;
use std::io::{Read, Write};

pub(crate) fn run(policy: &Policy, whom: &Whom, name: &EnvName, status: bool) -> Result<u8> {
    let environments = Environments::of(&policy.storage.state, whom.uid(policy)?, false)?;
    let environment = environments.map(|all| all.open(name)).transpose()?;
    let environment = environment.flatten().ok_or_else(|| missing(name))?;
    if !status {
        let lines = lines(&environment)?;
        only_tell()?;
        lines.iter().for_each(|line| output::plain(line));
        return Ok(0);
    }
    let Some(file) = own_status(&environment)? else {
        return Ok(0);
    };
    only_tell()?;
    let object = "the environment's package database";
    let size = fstat(&file).doing("stat", || object)?.st_size;
    let limit = u64::try_from(MOST).unwrap_or(u64::MAX);
    if u64::try_from(size).unwrap_or(u64::MAX) > limit {
        return Err(Error::refused("read", object, "it is too large"));
    }
    let failed = |operation, error| Error::refused(operation, object, error);
    let (mut file, mut buffer) = (std::fs::File::from(file).take(limit), vec![0; 1 << 16]);
    loop {
        let length = file
            .read(&mut buffer)
            .map_err(|error| failed("read", error))?;
        if length == 0 {
            return Ok(0);
        }
        std::io::stdout()
            .write_all(&buffer[..length])
            .map_err(|error| failed("write", error))?;
    }
}

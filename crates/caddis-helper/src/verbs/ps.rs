//! `ps`: the processes of environments, a line each.

use crate::caller::Whom;
use crate::host::RUN;
use crate::output::{self, encode, plain};
use crate::processes::{self, Process};
use caddis_policy::{EnvName, IdRange, Policy};
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, Runtime};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn run(policy: &Policy, whom: &Whom, only: Option<&EnvName>) -> Result<u8, Error> {
    let uids = whom.uids(policy)?;
    let all = processes::all();
    let booted = boot_time();
    let mut status = 0;
    for uid in uids {
        let name = crate::host::local_name("/etc/passwd", uid);
        let range = crate::caller::range(policy, uid, name.as_deref()).ok();
        let names = match (names(policy, uid, only), only) {
            // One that cannot be looked at does not hide the others.
            (Err(error), None) => {
                output::error(&error);
                status = crate::FAILED;
                continue;
            }
            (names, _) => names?,
        };
        for name in names {
            if let Err(error) = one(uid, &name, range.as_ref(), &all, booted) {
                output::error(&error);
                status = crate::FAILED;
            }
        }
    }
    Ok(status)
}

/// The environments of a user that are meant.
fn names(policy: &Policy, uid: u32, only: Option<&EnvName>) -> Result<Vec<EnvName>, Error> {
    let mut names = match Environments::of(&policy.storage.state, uid, false)? {
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

fn one(
    uid: u32,
    name: &EnvName,
    range: Option<&IdRange>,
    all: &BTreeMap<i32, Process>,
    booted: u64,
) -> Result<(), Error> {
    let Some(instance) = Runtime::peek(Path::new(RUN), uid, name)? else {
        return Ok(());
    };
    for (process, session) in processes::of_instance(all, &instance) {
        let user = inside(process.uid, uid, range);
        let session = session.map_or("-".to_owned(), |pid| pid.to_string());
        plain(&format!(
            "uid={uid}\tenv={name}\tpid={}\thost={}\tuser={user}\tsession={session}\t\
             tty={}\tstart={}\tcommand={}",
            process.inside(),
            process.host,
            terminal(process.terminal),
            booted + process.started,
            encode(&process.command()),
        ));
    }
    Ok(())
}

/// The id inside of the host's user `host`.
fn inside(host: u32, owner: u32, range: Option<&IdRange>) -> u32 {
    match range {
        Some(range)
            if host != owner && (0..=0xffff).contains(&host.wrapping_sub(range.uid_start)) =>
        {
            host - range.uid_start
        }
        _ => host,
    }
}

/// The name of a terminal by its number, see "tty_nr" in proc_pid_stat(5); pseudo-terminals have the
/// major numbers 136 to 143.
fn terminal(number: u64) -> String {
    let major = (number >> 8) & 0xfff;
    let minor = (number & 0xff) | ((number >> 12) & 0xfff00);
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => "-".to_owned(),
    }
}

/// When the machine was started, in seconds since 1970.
fn boot_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|seconds| seconds.trim().parse().ok())
        .unwrap_or(0)
}

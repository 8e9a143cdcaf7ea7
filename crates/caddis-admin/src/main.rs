//! What only root does, and asks for as root: a program of its own, so that none of it is in the setuid helper.
//! `caddis admin` calls it.

#![forbid(unsafe_code)]
// Nothing in here writes to the caller's descriptors: what there is to say is returned.
#![deny(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod accounts;
mod fair;
mod odd_lines;
mod packages;
mod refresh;
mod say;
mod sessions;
mod watch;

use caddis_helper::host;
use caddis_helper::last_state::{policy_or_last, remember};
use caddis_policy::{INITIAL_USER_NAMESPACE, Policy};
use caddis_view::Error;
use caddis_view::veil::Look;
use rustix::process::{getuid, umask};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Exit status: Caddis itself failed.
const FAILED: u8 = 125;

fn main() -> ExitCode {
    // Modes are given in full where something is made.
    umask(rustix::fs::Mode::empty());
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let status = run(&arguments).unwrap_or_else(|error| {
        say::error(&error);
        FAILED
    });
    ExitCode::from(status)
}

fn run(arguments: &[OsString]) -> Result<u8, Error> {
    let words: Vec<&str> = arguments
        .iter()
        .map(|word| word.to_str().unwrap_or_default())
        .collect();
    if !getuid().is_root() {
        return Err(Error::refused("run", "caddis-admin", "only root may do so"));
    }
    // An environment's root is somebody else; what it may do, the kernel says, but not what was meant.
    if !on_host() {
        let reason = "this is inside an environment";
        return Err(Error::refused("look after", "the host", reason)
            .hint("leave it first (`exit`), then try again on the host"));
    }
    match words[..] {
        ["sessions"] => sessions::run(&known()?, sessions::Which::All),
        ["sessions", "--stale"] => sessions::run(&known()?, sessions::Which::Stale),
        ["refresh"] => refresh::run(&noted()?, &Look::Changes),
        ["refresh", "--full"] => refresh::run(&noted()?, &Look::Everything),
        ["accounts"] => accounts::look_after(&known()?, None),
        ["accounts", "--deleted", _] => {
            let deleted = arguments.last().map(|name| name.as_bytes());
            accounts::look_after(&known()?, deleted)
        }
        ["orphans"] => accounts::list(&known()?),
        ["remove-orphans", ref directories @ ..] => accounts::remove_these(&known()?, directories),
        ["watch"] => watch::run(false),
        ["watch", "--verbose"] => watch::run(true),
        [packages::VERB, uid, name, number] => packages::one(&host::policy()?, uid, name, number),
        _ => Err(
            Error::refused("understand", "the request", format!("{arguments:?}"))
                .hint("this program is called by `caddis admin`; see `caddis admin --help`"),
        ),
    }
}

/// The policy, or what can be done without one.
fn known() -> Result<Policy, Error> {
    let (policy, warnings) = policy_or_last()?;
    warnings.iter().for_each(|text| say::warn(text));
    Ok(policy)
}

/// The policy; where its environments lie is remembered.
fn noted() -> Result<Policy, Error> {
    let policy = host::policy()?;
    remember(&policy)?;
    Ok(policy)
}

/// Whether this is no environment and no container.
fn on_host() -> bool {
    rustix::fs::stat("/proc/self/ns/user")
        .is_ok_and(|namespace| namespace.st_ino == INITIAL_USER_NAMESPACE)
}

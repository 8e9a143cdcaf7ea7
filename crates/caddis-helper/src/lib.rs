//! The setuid program of Caddis, as a library so that its pure parts can be fuzzed.
//!
//! Read it in this order: [`run`] below, `sanitise` (what the caller may have prepared for us),
//! [`arguments`] (what is asked), `caller` (who asks, and for whom), then a file per verb in `verbs`.
//! It is root from its start; the comments in `caddis_view` say where each process that goes on
//! gives that up.

#![forbid(unsafe_code)]

pub mod arguments;
mod caller;
mod files;
pub mod host;
mod inside;
mod log;
mod login;
pub mod output;
mod plan;
pub mod policy_paths;
mod preferred;
pub mod processes;
mod sanitise;
mod settings;
mod variables;
mod verbs;

use arguments::{Request, Verb};
use caddis_view::Error;
use sanitise::CallersState;
use std::ffi::OsString;
use std::os::fd::OwnedFd;

/// Exit status: Caddis itself failed, as in docker(1) and env(1).
const FAILED: u8 = 125;

/// The program. Returns its exit status.
#[must_use]
pub fn run() -> u8 {
    // A program of root's has no backtrace to show, and reads no variable that asks for one.
    std::panic::set_hook(Box::new(|_| {
        output::warn("internal error; nothing is left half-done, please report it");
    }));
    let state = match sanitise::sanitise() {
        Ok(state) => state,
        Err(error) => return fail(&error),
    };
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let request = match arguments::parse(arguments) {
        Ok(request) => request,
        Err(error) => {
            return fail(
                &Error::refused("understand", "the request", error)
                    .hint("this program is called by `caddis`; see `caddis --help`"),
            );
        }
    };
    let place = caller::place();
    let is_login = request.is_login() && place == caller::Place::Host;
    let result = files::take(request.files()).and_then(|files| match place {
        caller::Place::Host => on_host(request, state, files),
        caller::Place::Inside => inside::session(request, state, files),
        caller::Place::Unknown => Err(Error::refused(
            "find out",
            "where this runs",
            "/proc is not mounted as it should be",
        )),
        caller::Place::NotSetuid => Err(Error::refused(
            "start",
            "caddis-helper",
            "it is not installed setuid root, or lies on a file system mounted nosuid",
        )
        .hint("the administrator can run `caddis doctor` and `make install`")),
    });
    result.unwrap_or_else(|error| match is_login {
        // A policy that cannot be read promises nothing.
        true => fail(&login::advise(
            error,
            host::policy().is_ok_and(|policy| policy.login.host),
        )),
        false => fail(&error),
    })
}

fn on_host(request: Request, state: CallersState, files: Vec<OwnedFd>) -> Result<u8, Error> {
    let policy = host::policy()?;
    let whom = caller::Whom::of(&request)?;
    let mask = match &request.verb {
        // It holds nothing that others wait for, so the caller may end it as any program of theirs.
        Verb::Diff(_) => caddis_sys::empty_mask(),
        _ => caller::out_of_reach()?,
    };
    match request.verb {
        Verb::Session(session) => verbs::session::run(&policy, &whom, session, state, mask, files),
        Verb::New { name, from } => verbs::new::run(&policy, &whom, &name, from.as_ref()),
        Verb::Remove { names, force } => verbs::remove::run(&policy, &whom, &names, force),
        Verb::List => verbs::list::run(&policy, &whom),
        Verb::Ps { name } => verbs::ps::run(&policy, &whom, name.as_ref()),
        Verb::Stop { name } => verbs::stop::one(&policy, &whom, name.as_ref()),
        Verb::StopEvery => verbs::stop::every(&policy, &whom),
        Verb::Config { name, setting } => verbs::config::run(&policy, &whom, &name, &setting),
        Verb::Own { setting } => verbs::config::own(&policy, &whom, &setting),
        Verb::Which => verbs::config::which(&policy, &whom),
        Verb::Diff(diff) => verbs::diff::run(&policy, &whom, &diff),
        Verb::Try { name, word } => verbs::trial::run(&policy, &whom, &name, word),
        Verb::Packages { name, status } => verbs::packages::run(&policy, &whom, &name, status),
        Verb::Check => verbs::check::run(&policy, &whom),
        Verb::Revert(revert) => verbs::revert::run(&policy, &whom, revert),
    }
}

/// Tells the caller, and the system log: a refusal is something an administrator may want to see.
fn fail(error: &Error) -> u8 {
    output::error(error);
    log::refusal(error);
    FAILED
}

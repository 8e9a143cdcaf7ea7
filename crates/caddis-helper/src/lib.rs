//! The setuid program of Caddis, as a library so that its pure parts can be fuzzed.
//!
//! Read it in this order: [`run`] below, `sanitise` (what the caller may have prepared for us),
//! [`arguments`] (what is asked), `caller` (who asks, and for whom), then a file per verb in
//! `verbs`, and `answer`: a verb returns what there is to say, and `tell` below says it, once this
//! process has become its caller. It is root from its start; the comments in `caddis_view` say
//! where each process that goes on drops root.

#![forbid(unsafe_code)]
// Only `output` writes to the caller's descriptors, and it requires proof that this process is the
// caller.
#![deny(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod answer;
pub mod arguments;
mod caller;
mod files;
pub mod host;
mod inside;
pub mod last_state;
mod log;
mod login;
mod name_service;
pub mod output;
pub mod ownership;
mod plan;
pub mod policy_paths;
mod preferred;
pub mod processes;
mod sanitise;
mod settings;
pub mod strays;
mod variables;
mod verbs;

use answer::Answer;
use arguments::{Request, Verb};
use caddis_view::{Error, Runtime};
use sanitise::CallersState;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Exit status: Caddis itself failed, as in docker(1) and env(1).
const FAILED: u8 = 125;

/// The program. Returns its exit status.
#[must_use]
pub fn run() -> u8 {
    caller::remember();
    // A program of root's has no backtrace to show, and reads no variable that asks for one.
    std::panic::set_hook(Box::new(|_| {
        if let Ok(teller) = caller::only_tell() {
            output::warn(
                &teller,
                "internal error; nothing is left half-done, please report it",
            );
        }
    }));
    tell(answer().unwrap_or_else(failed))
}

/// Writes an answer: as the caller, and nowhere else.
fn tell(answer: Answer) -> u8 {
    if answer.is_empty() {
        return answer.exit_status();
    }
    match caller::only_tell() {
        Ok(teller) => answer.tell(&teller),
        Err(_) => FAILED,
    }
}

/// Tells the system log of an error: a refusal is something an administrator may want to see.
fn failed(error: Error) -> Answer {
    log::refusal(&error);
    Answer::failed(error)
}

fn answer() -> Result<Answer, Error> {
    let state = sanitise::sanitise()?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let request = arguments::parse(arguments).map_err(|error| {
        Error::refused("understand", "the request", error)
            .hint("this program is called by `caddis`; see `caddis --help`")
    })?;
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
    result.map_err(|error| match is_login {
        // A policy that cannot be read promises nothing.
        true => login::advise(error, host::policy().is_ok_and(|policy| policy.login.host)),
        false => error,
    })
}

fn on_host(request: Request, state: CallersState, files: Vec<OwnedFd>) -> Result<Answer, Error> {
    let (policy, warnings) = match request.needs_rules() || !rustix::process::getuid().is_root() {
        true => (host::policy()?, Vec::new()),
        false => last_state::policy_or_last()?,
    };
    let whom = caller::Whom::of(&request)?;
    let mask = caller::out_of_reach()?;
    // Before any verb: none may enter, show or change what an account that had the number before
    // has left.
    if let Some(uid) = whom.owner(&request) {
        files::handed_on(&files, false)?;
        ownership::settle(&policy, uid)?;
        files::handed_on(&files, true)?;
    }
    if matches!(request.verb, Verb::Diff(_)) {
        caller::in_reach()?;
    }
    // Each of these makes or ends something below the directory of what runs.
    let sweeps = !matches!(
        request.verb,
        Verb::List
            | Verb::Ps { .. }
            | Verb::Config { .. }
            | Verb::Own { .. }
            | Verb::Which
            | Verb::Diff(_)
            | Verb::Packages { .. }
            | Verb::Check
    );
    let is_session = matches!(request.verb, Verb::Session(_));
    let answer = match request.verb {
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
    };
    // A session does so as it begins, and has no right to any more.
    if sweeps && !(is_session && answer.is_ok()) {
        for uid in whom.uids(&policy).unwrap_or_default() {
            // What cannot be removed now is removed the next time.
            let _ = Runtime::sweep(Path::new(host::RUN), uid);
        }
    }
    answer.map(|mut answer| {
        warnings.into_iter().for_each(|text| answer.warn(text));
        answer
    })
}

//! Called inside an environment, the setuid bit makes this program container root: `caddis root`
//! needs nothing else. Everything but running a command is for the host.

use crate::answer::Answer;
use crate::arguments::{Request, Role, Verb};
use crate::caller::inside_owner;
use crate::sanitise::CallersState;
use crate::variables::Variables;
use crate::verbs::session::choices;
use caddis_view::error::Context;
use caddis_view::{Command, Error, execute_inside};
use rustix::process::{getgid, getuid};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Runs the command of a `session` request.
pub(crate) fn session(
    request: Request,
    state: CallersState,
    files: Vec<OwnedFd>,
) -> Result<Answer, Error> {
    let mut variables = Variables::from_caller();
    let here = variables
        .get("CADDIS_ENV")
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let refused = |what: &str| {
        // Only for a session `caddis` hands over the variable that says which one it is.
        let place = match here.as_str() {
            "" => "an environment".to_owned(),
            name => format!("the environment \"{name}\""),
        };
        Err(
            Error::refused(what, "here", format!("this is inside {place}"))
                .hint("leave it first (`exit`), then try again on the host"),
        )
    };
    let Verb::Session(session) = request.verb else {
        return refused("do that");
    };
    if session.trial {
        return refused("begin a try");
    }
    if session
        .name
        .as_ref()
        .is_some_and(|name| name.as_str() != here)
    {
        return refused("enter another environment");
    }
    let uid = getuid();
    // A daemon inside that runs under an id of its own is not to become container root this way.
    if !uid.is_root() && inside_owner() != Some(uid) {
        let reason = "only the environment's user may";
        return Err(Error::refused(
            "become",
            format!("root as uid {}", uid.as_raw()),
            reason,
        ));
    }
    let root = session.who == Role::Root;
    if root {
        variables.become_root();
    }
    let command = Command {
        root,
        choices: choices(&session, root)?,
        variables: variables.into_strings(),
        directory: None,
        home: PathBuf::from("/"),
        warnings: Vec::new(),
        umask: state.umask,
        limits: CallersState::limits(session.stack),
        mask: caddis_sys::block_all().doing("block", || "signals")?,
        own_terminal: false,
        own_keyring: false,
        files,
    };
    let (status, error) = execute_inside(uid.as_raw(), getgid().as_raw(), &command);
    Ok(Answer::failed_with(status, error))
}

//! The first half: on the host. Where does this login lead?

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use caddis_client::error::Error;
use caddis_client::outside::PLACE;
use caddis_client::policy;
use caddis_client::session::{Caller, For, Request, Role, is_absolute, plan};
use caddis_client::user::Account;
use caddis_policy::{Policy, parse_leniently};
use rustix::process::getuid;

use crate::bypass::bypasses;
use crate::invocation::{Invocation, Wanted, wanted_by};
use crate::start::Start;
use crate::variables::{
    ENVIRONMENT, LOGIN_NAME, ORIGINAL_COMMAND, USER_AUTH, Variables, get, tidy,
};
use crate::{execute, forced, handed, inside, manage, motd};

/// Becomes the shell, or the helper.
pub fn run(invocation: Invocation, mut variables: Variables) -> Result<Infallible, Error> {
    // Whether there is anything wrong with it, the helper says; the question here must have an answer even so.
    let (policy, _) = parse_leniently(&policy::read().unwrap_or_default());
    let account = Account::of_login(getuid().as_raw(), get(&variables, LOGIN_NAME));
    let known = account.as_ref().ok().and_then(Option::as_ref);
    let home = known.map(|account| account.home.as_os_str());
    let forced = match invocation.forced {
        true => forced::command(&variables, home, invocation.perhaps_su)?,
        false => None,
    };
    if invocation.forced && forced.is_none() && get(&variables, ORIGINAL_COMMAND).is_none() {
        motd::show(&variables);
    }
    // A key that is good for one command only does not choose where that runs.
    let environment = match forced {
        Some(_) => None,
        None => get(&variables, ENVIRONMENT).map(OsString::from),
    };
    tidy(&mut variables, invocation.forced, forced.is_some());
    let wanted = forced.map_or(invocation.wanted, wanted_by);
    match wanted {
        Wanted::Host(start) | Wanted::Environment(start) if bypasses(&policy) => {
            on_host(start, known, &policy, variables)
        }
        Wanted::Host(start) if policy.login.host => on_host(start, known, &policy, variables),
        Wanted::Manage(string) if bypasses(&policy) => {
            on_host(Start::command(string), known, &policy, variables)
        }
        Wanted::Manage(string) => manage::start(&string, variables),
        Wanted::Host(_) => Err(Error::failed(
            "log in to the plain host: the administrator does not allow it (policy: login.host)",
        )
        .hint("without `caddis-login --host` you land in your environment")),
        Wanted::Environment(start) => {
            let account = account?.ok_or_else(unknown)?;
            in_environment(start, account, environment, &policy, variables)
        }
        // These never get here.
        Wanted::Help | Wanted::Version => Err(Error::usage("there is nothing to start")),
    }
}

fn unknown() -> Error {
    let uid = getuid().as_raw();
    Error::failed(format!(
        "look up user id {uid}: the user database has no such user"
    ))
    .hint(format!("`getent passwd {uid}` must print a line"))
}

fn on_host(
    start: Start,
    account: Option<&Account>,
    policy: &Policy,
    variables: Variables,
) -> Result<Infallible, Error> {
    let own = account.map(|account| PathBuf::from(&account.shell));
    execute::start(
        start,
        own.into_iter().chain([policy.login.shell.clone()]),
        variables,
    )
}

/// Becomes the helper, with this program as the session's command.
fn in_environment(
    start: Start,
    account: Account,
    environment: Option<OsString>,
    policy: &Policy,
    mut variables: Variables,
) -> Result<Infallible, Error> {
    // What the one names is the host's, and has been read; the other is no client's to say.
    variables.retain(|(name, _)| name != USER_AUTH && name != PLACE);
    let handed = handed::open_all(&variables)?;
    let shells = [
        account.shell.clone(),
        policy.login.shell.clone().into_os_string(),
    ];
    let mut command = vec![handed::THIS_PROGRAM.into(), inside::OPTION.into()];
    command.extend(handed::words(&handed.files));
    for shell in shells.into_iter().filter(|shell| is_absolute(shell)) {
        command.extend(["--shell".into(), shell]);
    }
    command.push("--".into());
    command.extend(start.into_words());
    let request = Request {
        environment: environment.filter(|name| !name.is_empty()),
        command,
        login: true,
        files: handed.count(),
        ..Request::new(Role::Login)
    };
    let caller = Caller {
        variables,
        ..Caller::current()
    };
    plan(request, &caller, &For::Caller(Some(account)), false)?.exec()
}

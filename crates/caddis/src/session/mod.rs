//! What `enter`, `run` and `root` have in common: a session in an environment.

mod attend;
mod directory;

use std::path::PathBuf;

pub use attend::Ended;
pub use caddis_client::session::{
    Caller, For, Request, Role, environment_name, is_absolute, is_inside, named_or_meant, plan,
};

use crate::error::{Error, FAILED};
use crate::helper::Call;
use crate::render::text::quoted;
use crate::terminal;
use crate::user::{Account, group};

/// Starts a session and, except where a terminal has to be relayed, becomes it.
pub fn start(request: Request) -> Result<u8, Error> {
    let (call, relayed) = prepare(request)?;
    if relayed {
        return terminal::relay(call.to_command());
    }
    match call.exec()? {}
}

/// Starts a session and waits for its end.
pub fn attend(request: Request) -> Result<Ended, Error> {
    let (call, _) = prepare(request)?;
    attend::attend(call.to_command())
}

/// The call of the helper for a session, and whether it needs a terminal of its own.
fn prepare(request: Request) -> Result<(Call, bool), Error> {
    let mut caller = Caller::current();
    let whom = resolve(&request, &caller)?;
    if let For::SomebodyElse(account, _) = &whom {
        let open = |directory: &PathBuf| !directory::is_closed_to(account.uid, directory);
        caller.directory = caller.directory.filter(open);
    }
    if let Some(account) = whom.account()
        && !is_absolute(&account.home)
    {
        let home = quoted(account.home.as_encoded_bytes());
        Error::failed(format!(
            "use the home directory {home}: it is not an absolute path; going on without it"
        ))
        .report(FAILED);
    }
    // What root runs for somebody else must not get hold of root's terminal: whoever can open it can push input into
    // it (TIOCSTI), which root's shell would then run. So such a session has a terminal of its own.
    let relayed = whom.is_somebody_else() && !request.dry_run && terminal::any_terminal();
    Ok((plan(request, &caller, &whom, relayed)?, relayed))
}

/// Whose environment it is to be.
fn resolve(request: &Request, caller: &Caller) -> Result<For, Error> {
    match &request.user {
        Some(name) if caller.uid != 0 => Err(Error::failed(format!(
            "run for user {}: only root may run for somebody else",
            name.display()
        ))),
        Some(name) => {
            let account = Account::existing(name, "run for")?;
            if account.uid == 0 {
                return Err(no_environment_of_its_own());
            }
            let groups = group::groups_of(&account)?;
            Ok(For::SomebodyElse(account, groups))
        }
        // Inside, uid 0 is the environment's root, and the helper knows which environment it is in.
        None if caller.uid == 0 && !caller.inside => Err(no_environment_of_its_own()),
        None => match Account::by_uid(caller.uid)? {
            Some(account) => Ok(For::Caller(Some(account))),
            // Inside, the user database is the user's to change; the session exists already and needs nothing of it.
            None if caller.inside => Ok(For::Caller(None)),
            None => Err(Error::failed(format!(
                "look up user id {}: the user database has no such user",
                caller.uid
            ))
            .hint(format!("`getent passwd {}` must print a line", caller.uid))),
        },
    }
}

/// What root is told who forgot that environments are for users.
pub fn no_environment_of_its_own() -> Error {
    Error::failed("root has no environment of its own").hint(
        "root can run for somebody else (`caddis run --user NAME COMMAND`, `caddis root --user NAME COMMAND`) and \
         look after everybody's environments (`caddis admin --help`)",
    )
}

/// Refuses what only makes sense for a user's own environments, where root asks.
pub fn require_own_environments() -> Result<(), Error> {
    if rustix::process::getuid().is_root() && !is_inside() {
        return Err(no_environment_of_its_own());
    }
    Ok(())
}

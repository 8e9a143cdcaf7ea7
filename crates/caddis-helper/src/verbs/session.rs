//! `session`: a command in an environment, which is made and started if need be.

use crate::answer::Answer;
use crate::arguments::{Role, Session};
use crate::caller::Whom;
use crate::host::RUN;
use crate::output::printable;
use crate::plan::plan;
use crate::preferred::{By, environment};
use crate::sanitise::CallersState;
use crate::settings::Settings;
use crate::variables::Variables;
use crate::verbs::config::read_settings;
use crate::verbs::trial;
use crate::{last_state, log, login, processes};
use caddis_changes::renew::Renewal;
use caddis_policy::{EnvName, Policy};
use caddis_sys::{Signals, default_actions, empty_mask, pidfd_send_signal, set_mask};
use caddis_view::ending::end_deadline;
use caddis_view::exposed;
use caddis_view::instance::REMOVED;
use caddis_view::packages::{self, Due};
use caddis_view::session::run as run_session;
use caddis_view::store::{Environments, missing};
use caddis_view::{Command, Ended, Entrance, Error, Identity, Instance, Runtime, Start};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Resource, Rlimit, getpid, pidfd_open, setrlimit};
use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a start is tried anew while a former overlay is still there, and the time between.
const BUSY_TRIES: u32 = 40;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// How often a session is tried anew when its instance ends under its feet.
const TRIES: u32 = 10;

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    session: Session,
    state: CallersState,
    mask: Signals,
    files: Vec<OwnedFd>,
) -> Result<Answer, Error> {
    let identity = whom.identity(policy)?;
    let mut variables = Variables::from_caller();
    if session.dry_run {
        let (plan, warnings) = plan(policy, &identity, session.home.as_deref())?;
        let mut answer = Answer::default();
        warnings.into_iter().for_each(|text| answer.warn(text));
        let lines = plan.to_string();
        lines.lines().for_each(|line| answer.line(printable(line)));
        return Ok(answer);
    }
    let by = if session.login {
        By::Login
    } else {
        By::Command
    };
    let environments = open(policy, &identity)?;
    let name = environment(policy, Some(&environments), session.name.as_ref(), by)?;
    let settings = create(policy, &environments, &name)?;
    let mut opened = Some(environments);
    let root = match session.who {
        Role::User => false,
        Role::Root => true,
        Role::Login => settings.login_as_root(),
    };
    variables.mark(name.as_str());
    if root {
        variables.become_root();
    }
    let home = session.home.clone().unwrap_or_else(|| PathBuf::from("/"));
    let mut command = Command {
        root,
        choices: choices(&session, root)?,
        variables: variables.into_strings(),
        directory: session.directory.clone(),
        home: if root { PathBuf::from("/root") } else { home },
        warnings: Vec::new(),
        umask: state.umask,
        limits: CallersState::limits(session.stack),
        mask,
        own_terminal: session.own_terminal,
        own_keyring: whom.by_root,
        files,
    };
    let role = if root { "root" } else { "user" };
    let (mut gone, mut busy) = (0, 0);
    while gone < TRIES {
        let environments = match opened.take() {
            Some(environments) => environments,
            None => open(policy, &identity)?,
        };
        let (entrance, warnings) =
            start_or_join(policy, &identity, &environments, &name, &session, &settings)?;
        // The command's process reports it: this one has all signals blocked, and more rights than
        // the caller.
        command.warnings = warnings;
        let what = if entrance.is_start() { "start" } else { "join" };
        // The directory is not kept open: this process goes on for as long as the session, and holds nothing of
        // the host's that it does not need.
        let (named, uid, login) = (&name, identity.uid, session.login);
        let note = move || {
            // When it was used last is not worth a session that fails.
            let _ = environments.touch(named);
            if what == "start" {
                let _ = Runtime::sweep(Path::new(RUN), uid);
            }
            log::session(what, uid, named.as_str(), role, login);
        };
        match run_session(entrance, &identity, policy, &mut command, note)? {
            Ended::Command(status) => return Ok(Answer::status(status)),
            Ended::Killed(signal) => {
                if session.login {
                    end_likewise(signal);
                }
                let status = u8::try_from(128 + signal).unwrap_or(u8::MAX);
                return Ok(Answer::status(status));
            }
            Ended::NotExecuted(status, error) => {
                let error = match session.login {
                    true => login::advise(error, policy.login.host),
                    false => error,
                };
                return Ok(Answer::failed_with(status, error));
            }
            Ended::InstanceGone => gone += 1,
            // The last file of the former instance is closed a moment after its last process.
            Ended::NotStarted(error) if error.errno == Some(Errno::BUSY) && busy < BUSY_TRIES => {
                busy += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            Ended::NotStarted(error) => return Err(explained(&name, error)),
        }
    }
    let reason = "it ended each time before the command could start";
    Err(Error::refused(
        "join",
        format!("the environment \"{name}\""),
        reason,
    ))
}

/// Ends this process by the signal that has ended the command. Whoever started a login's shell asks how it ended: sshd
/// tells its client of a signal. What fails here leaves the status that a shell would give.
fn end_likewise(signal: i32) {
    // It is the command's core that is of interest.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    default_actions(&[signal]);
    if let Ok(own) = pidfd_open(getpid(), PidfdFlags::empty()) {
        let _ = pidfd_send_signal(own, signal);
    }
    let _ = set_mask(empty_mask());
}

/// Makes the environment if there is none, and reads its settings.
fn create(policy: &Policy, environments: &Environments, name: &EnvName) -> Result<Settings, Error> {
    loop {
        environments.create(name, policy.storage.environments)?;
        match read_settings(environments, name) {
            // Removed between the two steps.
            Err(_) if environments.open(name)?.is_none() => {}
            settings => return settings,
        }
    }
}

/// The way into the running instance, or into one that is being started, and what is to be said on it.
fn start_or_join(
    policy: &Policy,
    identity: &Identity,
    environments: &Environments,
    name: &EnvName,
    session: &Session,
    settings: &Settings,
) -> Result<(Entrance, Vec<String>), Error> {
    let run = Path::new(RUN);
    let mut warnings = Vec::new();
    loop {
        let runtime = Runtime::lock(run, identity.uid, name)?;
        let way = if session.trial {
            trial::begin(policy, environments, &runtime, name)
        } else {
            trial::make_way(policy, environments, &runtime, name)
        };
        match way {
            Err(error) if error.errno == Some(REMOVED) => continue,
            other => warnings.extend(other?),
        }
        let running = match runtime.running(end_deadline()) {
            Err(error) if error.errno == Some(REMOVED) => continue,
            other => other?,
        };
        if let Some(instance) = running {
            if !runtime.is_of(environments.directory())? {
                // Of an account that had the number before.
                match runtime.stop(&instance, Duration::ZERO, end_deadline()) {
                    Err(error) if error.errno != Some(REMOVED) => return Err(error),
                    _ => continue,
                }
            }
            if let Some(held) = runtime.join_sessions(session.login)? {
                let renewed = renew(&runtime, &instance, identity, environments, name)?;
                warnings.extend(renewed);
                let exposed = exposed::renew(&instance, identity, &policy.view);
                warnings.extend(exposed.err().map(|error| error.to_string()));
                runtime.leave_running();
                return Ok((Entrance::join(instance, held), warnings));
            }
            // Process 1 was killed.
            match runtime.wait_until_gone(&instance, end_deadline()) {
                Err(error) if error.errno != Some(REMOVED) => return Err(error),
                _ => continue,
            }
        }
        last_state::remember(policy)?;
        // Again, under the lock that a removal needs, too.
        environments.create(name, policy.storage.environments)?;
        let directory = environments.open(name)?.ok_or_else(|| missing(name))?;
        caddis_changes::renew::give_back(&directory)?;
        let (plan, more) = plan(policy, identity, session.home.as_deref())?;
        let start = Start {
            plan: &plan,
            identity,
            name,
            policy,
            run,
            hostname: settings.hostname(),
            trial: session.trial,
            login: session.login,
            packages: match session.trial {
                true => None,
                false => packages(policy, directory),
            },
        };
        runtime.bind(environments.directory())?;
        let begun = start.begin(runtime);
        return match begun {
            Ok(entrance) => {
                warnings.extend(more);
                Ok((entrance, warnings))
            }
            Err(error) => Err(explained(name, error)),
        };
    }
}

/// After a refresh, the first session sees to it that it gets the new version of what others still hold. What it has to
/// say about that is returned: the instance is locked.
fn renew(
    runtime: &Runtime,
    instance: &Instance,
    identity: &Identity,
    environments: &Environments,
    name: &EnvName,
) -> Result<Vec<String>, Error> {
    if !runtime.was_refreshed()? {
        return Ok(Vec::new());
    }
    let errors = || -> Result<Vec<Error>, Error> {
        let Some(directory) = environments.open(name)? else {
            return Ok(Vec::new());
        };
        let Some(renewal) = Renewal::of(instance, identity, &directory)? else {
            return Ok(Vec::new());
        };
        let all = processes::of_user(identity.uid, &identity.range);
        let members = processes::of_instance(&all, instance).into_iter();
        let members: Vec<i32> = members.map(|(process, _)| process.host).collect();
        renewal.run(&members)
    };
    let errors = errors().unwrap_or_else(|error| vec![error]);
    runtime.refresh_is_dealt_with();
    Ok(errors.iter().map(Error::to_string).collect())
}

/// What is to be done to the environment's package database. A database that nobody can look at is no reason not to
/// start; the next start tries again.
fn packages(policy: &Policy, environment: OwnedFd) -> Option<Due> {
    let state = &policy.storage.state;
    let number = packages::current(state).ok()??;
    packages::see_to(state, environment, number, false).ok()?
}

fn explained(name: &EnvName, error: Error) -> Error {
    let busy = error.errno == Some(Errno::BUSY);
    let operation = format!("start the environment \"{name}\": {}", error.operation);
    let error = Error { operation, ..error };
    if !busy {
        return error;
    }
    error.hint(
        "a process outside of the environment still holds a file of its former instance open, which was \
         passed to it over a socket; end that process",
    )
}

/// The user's environments.
fn open(policy: &Policy, identity: &Identity) -> Result<Environments, Error> {
    Environments::of(&policy.storage.state, identity.uid, true)?
        .ok_or_else(|| Error::kernel("open", "the environments of the user", Errno::NOENT))
}

/// The programs to try: the command, or a login shell.
pub(crate) fn choices(session: &Session, root: bool) -> Result<Vec<Vec<CString>>, Error> {
    let string = |text: OsString| {
        CString::new(text.into_vec())
            .map_err(|_| Error::refused("run", "the command", "an argument holds a NUL byte"))
    };
    if let Some(first) = session.command.first()
        && first.is_empty()
    {
        return Err(Error::refused("run", "the command", "its name is empty"));
    }
    if !session.command.is_empty() {
        return Ok(vec![
            session
                .command
                .iter()
                .cloned()
                .map(string)
                .collect::<Result<_, _>>()?,
        ]);
    }
    let own = if root { None } else { session.shell.clone() };
    let shells = own
        .into_iter()
        .chain(["/bin/bash".into(), "/bin/sh".into()]);
    shells
        .map(|shell| Ok(vec![string(shell)?, c"-l".to_owned()]))
        .collect()
}

//! `session`: a command in an environment, which is made and started if need be.

use crate::arguments::{Role, Session};
use crate::caller::Whom;
use crate::host::RUN;
use crate::sanitise::CallersState;
use crate::variables::Variables;
use crate::verbs::config::{Settings, read_settings};
use crate::{log, output};
use caddis_policy::{EnvName, Policy, View};
use caddis_view::error::{Context, words};
use caddis_view::instance::REMOVED;
use caddis_view::mountinfo::{self, Mount};
use caddis_view::session::run as run_session;
use caddis_view::store::Environments;
use caddis_view::{Command, Ended, Error, Identity, Instance, Plan, Runtime, Start, Wish, home};
use rustix::io::Errno;
use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// How often a session is tried anew when its instance ends under its feet.
const TRIES: u32 = 10;

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    session: Session,
    state: CallersState,
) -> Result<u8, Error> {
    let identity = whom.identity(policy)?;
    let name = session.name.clone().unwrap_or_default();
    let mut variables = Variables::from_caller();
    if session.dry_run {
        output::plain(plan(policy, &identity, &session)?.to_string().trim_end());
        return Ok(0);
    }
    let environments = Environments::of(&policy.storage.state, identity.uid, true)?
        .ok_or_else(|| Error::kernel("open", "the environments of the user", Errno::NOENT))?;
    let settings = loop {
        environments.create(&name)?;
        match read_settings(&environments, &name) {
            // Removed between the two steps.
            Err(_) if environments.open(&name)?.is_none() => {}
            other => break other?,
        }
    };
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
        umask: state.umask,
        limits: state.limits,
        mask: caddis_sys::empty_mask(),
        own_terminal: session.own_terminal,
        own_keyring: whom.by_root,
    };
    for _ in 0..TRIES {
        let (what, instance, held) = start_or_join(
            policy,
            &identity,
            &environments,
            &name,
            &session,
            &settings,
        )?;
        environments.touch(&name)?;
        let role = if root { "root" } else { "user" };
        log::session(what, identity.uid, name.as_str(), role);
        command.mask = caddis_sys::block_all().doing("block", || "signals")?;
        match run_session(&instance, &held, &identity, &policy.root, &command)? {
            Ended::Command(status) => return Ok(status),
            Ended::NotExecuted(status, error) => {
                output::error(&error);
                return Ok(status);
            }
            Ended::InstanceGone => {
                caddis_sys::set_mask(command.mask).doing("restore", || "the signal mask")?;
            }
        }
    }
    let reason = "it ended each time before the command could start";
    Err(Error::refused(
        "join",
        format!("the environment \"{name}\""),
        reason,
    ))
}

/// The running instance, joined, or a new one; and what counts us as one of its sessions.
fn start_or_join(
    policy: &Policy,
    identity: &Identity,
    environments: &Environments,
    name: &EnvName,
    session: &Session,
    settings: &Settings,
) -> Result<(&'static str, Instance, OwnedFd), Error> {
    loop {
        let runtime = Runtime::lock(Path::new(RUN), identity.uid, name)?;
        let running = match runtime.running() {
            Err(error) if error.errno == Some(REMOVED) => continue,
            other => other?,
        };
        if let Some(instance) = running {
            match runtime.join_sessions()? {
                Some(held) => return Ok(("join", instance, held)),
                // Killed this very moment; the next look waits for its end.
                None => continue,
            }
        }
        // Again, under the lock that a removal needs, too.
        environments.create(name)?;
        let plan = plan(policy, identity, session)?;
        let hostname = settings.hostname();
        let run = Path::new(RUN);
        let start = Start::new(&plan, identity, name, policy, run, hostname)?;
        let (instance, held, _lock) = start.run(runtime).map_err(|error| Error {
            operation: format!(
                "start the environment \"{name}\": {}",
                error.operation
            ),
            ..error
        })?;
        return Ok(("start", instance, held));
    }
}

/// The plan of the view for this host, user and policy.
fn plan(policy: &Policy, identity: &Identity, session: &Session) -> Result<Plan, Error> {
    let table = std::fs::read("/proc/self/mountinfo")
        .map_err(|error| Error::refused("read", "/proc/self/mountinfo", error))?;
    let mut mounts = mountinfo::parse(&table);
    for mount in &mut mounts {
        mount.directory = !policy.view.overlay_types.contains(&mount.fstype)
            || std::fs::symlink_metadata(&mount.at).is_ok_and(|metadata| metadata.is_dir());
    }
    refuse_root_that_cannot_be_stacked(&mounts)?;
    let home = session
        .home
        .as_deref()
        .and_then(|path| match home::resolve(identity, path) {
            Ok(path) => Some(path),
            Err(errno) => {
                let why = match errno {
                    Errno::PERM => "it belongs to somebody else".to_owned(),
                    other => words(other),
                };
                output::warn(&format!(
                    "cannot use the home directory {}: {why}; going on without it",
                    path.display()
                ));
                None
            }
        });
    Ok(Plan::new(
        &resolved(&policy.view),
        &mounts,
        &Wish {
            uid: identity.uid,
            home,
        },
    ))
}

/// The administrator's paths without links; those that do not exist are left out.
fn resolved(view: &View) -> View {
    let resolve = |paths: &[PathBuf]| -> Vec<PathBuf> {
        paths
            .iter()
            .filter_map(|path| std::fs::canonicalize(path).ok())
            .collect()
    };
    View {
        private: resolve(&view.private),
        memory: resolve(&view.memory),
        hidden: resolve(&view.hidden),
        shared: resolve(&view.shared),
        read_only: resolve(&view.read_only),
        ..view.clone()
    }
}

fn refuse_root_that_cannot_be_stacked(mounts: &[Mount]) -> Result<(), Error> {
    let fstype = mounts
        .iter()
        .find(|mount| mount.at == Path::new("/"))
        .map_or("nothing", |mount| mount.fstype.as_str());
    let unfit = [
        "overlay", "nfs", "nfs4", "9p", "lustre", "cifs", "aufs", "rootfs", "nothing",
    ];
    if !unfit.contains(&fstype) && !fstype.starts_with("fuse") {
        return Ok(());
    }
    let reason = format!("it is {fstype}, which the kernel can neither id-map nor stack further");
    Err(Error::refused("show", "the file system of /", reason)
        .hint("Caddis needs a local file system as the base: ext4, xfs or btrfs"))
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

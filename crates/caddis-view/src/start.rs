//! Starts an instance: process 1, which builds the view, and meanwhile the user namespace for it.

use crate::error::{Context, Error, Result};
use crate::handover::handover;
use crate::identity::Identity;
use crate::init::{Held, live};
use crate::instance::{Instance, Runtime};
use crate::packages;
use crate::plan::Plan;
use crate::store::{Environments, missing};
use crate::userns;
use crate::veil::{self, Veil};
use caddis_policy::{EnvName, Policy};
use caddis_sys::{Forked, Namespaces, block_all, fork};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an instance is started from.
#[derive(Debug)]
pub struct Start<'a> {
    /// The view to build.
    pub plan: &'a Plan,
    /// Whose it is.
    pub identity: &'a Identity,
    /// Which environment.
    pub name: &'a EnvName,
    /// The administrator's policy.
    pub policy: &'a Policy,
    /// `/run/caddis`.
    pub run: &'a Path,
    /// The host name inside; `None`: the host's.
    pub hostname: Option<&'a str>,
    /// What is changed goes into the layer of its try.
    pub trial: bool,
    /// Its first session is a login.
    pub login: bool,
    /// What is to be done to its package database before the first command.
    pub packages: Option<packages::Due>,
}

impl Start<'_> {
    /// The environment's directory, opened anew: a mount can only be cloned from a descriptor that
    /// was opened in the same mount namespace.
    pub(crate) fn environment(&self) -> Result<OwnedFd> {
        let state = &self.policy.storage.state;
        Environments::of_anybody(state, self.identity.uid)?
            .map(|environments| environments.open(self.name))
            .transpose()?
            .flatten()
            .ok_or_else(|| missing(self.name))
    }

    pub(crate) fn veil(&self) -> Result<Veil> {
        veil::newest(&self.policy.storage.state)
    }

    /// Starts process 1, which builds the view. Returned is the way in for its first session: the command's
    /// process can be made ready meanwhile. `runtime` is locked, and stays so for as long as either side lives
    /// and the view is not complete: a caller that is killed half-way lets nobody in early.
    pub fn begin(mut self, runtime: Runtime) -> Result<Entrance> {
        let (sessions, session) = runtime.new_sessions()?;
        let held = Held {
            sessions,
            lock: runtime.another_lock()?,
            record: runtime.new_record()?,
        };
        let (giver, taker) = handover()?;
        let pipe = || pipe_with(PipeFlags::CLOEXEC).doing("pipe", || "to process 1");
        let (answer, answers) = pipe()?;
        let (go, goes) = pipe()?;
        let packages = self.packages.take();
        let lock = runtime.duplicate_lock()?;
        match fork(Namespaces::PidAndMount).doing("start", || "process 1 of the environment")? {
            Forked::Child => {
                let due = packages.is_some();
                drop((answer, go, session, giver, packages));
                runtime.leave_to_another();
                let mut waiting = Some(Waiting {
                    answers,
                    // Else the caller says it.
                    goes: (!due).then_some(goes),
                    lock,
                });
                let lived = block_all()
                    .doing("block", || "signals")
                    .and_then(|_| live(&self, &held, &taker, &mut waiting));
                // Nobody waits any more once the view stands.
                if let (Err(error), Some(caller)) = (&lived, &waiting) {
                    let _ = rustix::io::write(&caller.answers, &error.to_bytes());
                }
                // No destructor is to run: process 1 has closed descriptors that it owns.
                std::process::exit(i32::from(lived.is_err()));
            }
            Forked::Parent(pid, pidfd) => {
                drop(lock);
                match userns::create(self.identity, self.policy.limits.processes) {
                    Ok(namespace) => giver.give(&namespace),
                    Err(error) => {
                        // Process 1 ends as well then.
                        drop((giver, taker));
                        let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
                        return Err(error);
                    }
                }
                let building = Building {
                    answer,
                    go,
                    runtime,
                    packages: packages.map(|due| (due, goes)),
                };
                Ok(Entrance {
                    instance: Instance { pidfd, pid },
                    session,
                    building: Some(building),
                })
            }
        }
    }
}

/// A way into an instance, for one session.
#[derive(Debug)]
pub struct Entrance {
    pub(crate) instance: Instance,
    /// Counts the caller as a session for as long as it is open.
    pub(crate) session: OwnedFd,
    /// The view is not complete yet.
    pub(crate) building: Option<Building>,
}

impl Entrance {
    /// Into an instance that runs.
    #[must_use]
    pub fn join(instance: Instance, session: OwnedFd) -> Entrance {
        Entrance {
            instance,
            session,
            building: None,
        }
    }

    /// Whether the session starts the instance.
    #[must_use]
    pub fn is_start(&self) -> bool {
        self.building.is_some()
    }
}

/// A view that process 1 is building, as its caller knows it.
#[derive(Debug)]
pub(crate) struct Building {
    answer: OwnedFd,
    /// Where the command's process hears that the view stands.
    pub(crate) go: OwnedFd,
    runtime: Runtime,
    /// What is to be done before the command is let go, and where to say so.
    packages: Option<(packages::Due, OwnedFd)>,
}

impl Building {
    /// Waits until the view stands, then lets others in, and the command once its packages are in step.
    pub(crate) fn wait(self, instance: &Instance) -> Result<()> {
        let answer = read_all(&self.answer)?;
        if [Some(&READY), Some(&READY_BUT)].contains(&answer.first()) {
            self.runtime.leave_running();
            if let Some((due, goes)) = self.packages {
                // A session that fails would be worse than packages that are missing; it is tried again.
                let _ = packages::merge(&due, instance);
                let _ = rustix::io::write(&goes, &answer);
            }
            return Ok(());
        }
        if answer.is_empty() {
            let reason = "it was killed while it built the view";
            return Err(Error::refused("hear from", "process 1", reason));
        }
        Err(Error::from_bytes(&answer))
    }
}

/// The caller, who waits for the view, as process 1 knows it.
pub(crate) struct Waiting {
    /// Where to say that the view stands, or why it does not.
    pub(crate) answers: OwnedFd,
    /// Where the command's process waits for it, if it is not to wait for more than that.
    pub(crate) goes: Option<OwnedFd>,
    /// The caller's lock on the instance, which is held here too until then.
    pub(crate) lock: OwnedFd,
}

impl Waiting {
    /// The view is complete, without what is `silent`. A caller that was killed meanwhile is a
    /// session that has ended.
    pub(crate) fn say_ready(self, silent: &[PathBuf]) -> Result<()> {
        // Closed, not unlocked: the caller holds the same lock until it has heard of it.
        drop(self.lock);
        let mut answer = vec![if silent.is_empty() { READY } else { READY_BUT }];
        // As many as the pipe holds without a reader.
        for path in silent.iter().take(MOST_SILENT) {
            answer.extend(path.as_os_str().as_bytes());
            answer.push(0);
        }
        for pipe in self.goes.iter().chain([&self.answers]) {
            match rustix::io::write(pipe, &answer) {
                Ok(_) | Err(Errno::PIPE) => {}
                // It would wait for us, and we for its end.
                Err(errno) => return Err(errno).doing("write", || "that the view stands"),
            }
        }
        Ok(())
    }
}

/// Waits until process 1 reports that the view is complete. Returns what is not shown because its
/// server does not answer; `None`: process 1 has ended.
pub(crate) fn view_stands(go: &OwnedFd) -> Result<Option<Vec<PathBuf>>> {
    let mut said = [0];
    let read = retry_on_intr(|| rustix::io::read(go, &mut said));
    if read.doing("wait for", || "the view")? == 0 {
        return Ok(None);
    }
    if said == [READY] {
        return Ok(Some(Vec::new()));
    }
    let paths = read_all(go)?;
    let paths = paths.split(|byte| *byte == 0);
    let paths = paths.filter(|path| !path.is_empty());
    Ok(Some(
        paths.map(|path| OsStr::from_bytes(path).into()).collect(),
    ))
}

/// How many paths are named that do not answer.
const MOST_SILENT: usize = 8;

/// What process 1 says when the view stands.
const READY: u8 = 1;

/// What it says when it stands without some paths, which follow.
const READY_BUT: u8 = 2;

/// Reads a pipe to its end.
pub fn read_all(pipe: &OwnedFd) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => return Ok(all),
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("read", || "a pipe from a child"),
        }
    }
}

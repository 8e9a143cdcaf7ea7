//! A session as the host sees it: the process that the caller waits for. It starts the command inside,
//! passes signals on, and ends with the command's status.

use crate::ending::{end_deadline, wait_until_gone};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::instance::Instance;
use crate::join::{Command, Failure, JOINED, Way, become_command, become_monitor};
use crate::start::{Building, Entrance, read_all};
use caddis_policy::Policy;
use caddis_sys::{Caught, Forked, Namespaces, fork, signalfd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpgrp, getpid, kill_process,
    pidfd_open, pidfd_send_signal, waitid,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};
use rustix::time::Timespec;
use std::os::fd::{AsFd, OwnedFd};

/// How a session ended.
#[derive(Debug)]
pub enum Ended {
    /// The command ran; this is its exit status.
    Command(u8),
    /// The command ran, and this signal ended it.
    Killed(i32),
    /// It could not be executed: 126 or 127, and why.
    NotExecuted(u8, Error),
    /// The instance was gone before the command could start; nothing has run. Start again.
    InstanceGone,
    /// Process 1 could not build the view; nothing has run.
    NotStarted(Error),
}

/// Runs `command` by way of `entrance` and waits for it. All signals are blocked. `on_its_way` is called
/// when nothing is left to do for this process but to wait for the command's to join.
pub fn run(
    entrance: Entrance,
    identity: &Identity,
    policy: &Policy,
    command: &mut Command,
    on_its_way: impl FnOnce(),
) -> Result<Ended> {
    // The session counts until this process ends.
    let Entrance {
        instance,
        session: _session,
        building,
    } = entrance;
    let signals = signalfd().doing("signalfd", || "the session")?;
    match move_into_thread_name_spaces(instance.pidfd.as_fd(), ThreadNameSpaceType::PROCESS_ID) {
        Ok(()) => {}
        Err(Errno::SRCH) => return gone(&instance, building),
        Err(errno) => return Err(errno).doing("setns", || "the instance's pid namespace"),
    }
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).doing("pipe", || "to the command")?;
    let outer = pidfd_open(getpid(), PidfdFlags::empty()).doing("pidfd_open", || "the session")?;
    // Before there is a shell that takes it.
    let mut terminal = Terminal::of_caller();
    let (pid, child) = match fork(Namespaces::Same) {
        Ok(Forked::Child) => {
            let way = Way {
                process_1: &instance.pidfd,
                go: building.as_ref().map(|building| &building.go),
                outer: &outer,
                report: &writer,
            };
            let Err(Failure { status, error }) = become_command(&way, identity, policy, command);
            let _ = rustix::io::write(&writer, &[&[status], error.to_bytes().as_slice()].concat());
            std::process::exit(status.into());
        }
        Ok(Forked::Parent(pid, child)) => (pid, child),
        // The kernel's answer for a pid namespace whose process 1 is gone (see alloc_pid), and for want of memory.
        Err(Errno::NOMEM) if instance.is_doomed()? => return gone(&instance, building),
        Err(errno) => return Err(errno).doing("start", || "a process in the environment"),
    };
    drop((writer, outer));
    if let Some(Err(error)) = building.map(|building| building.wait(&instance)) {
        // The kernel ends the child with process 1, which waits for it to be reaped here.
        let _ = waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED);
        return not_started(&instance, error);
    }
    on_its_way();
    let failed = |(status, error): (u8, Error)| {
        let _ = waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED);
        match (status, error.errno) {
            (125, Some(Errno::SRCH)) if error.operation == "setns" => gone(&instance, None),
            (125, _) => Err(error),
            (status, _) => Ok(Ended::NotExecuted(status, error)),
        }
    };
    // Before this process gives up what it takes to start again.
    match joined(&reader)? {
        Joined::Yes => {}
        Joined::Not(failure) => return failed(failure),
        Joined::Killed if instance.is_doomed()? => {
            let _ = waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED);
            return gone(&instance, None);
        }
        Joined::Killed => {}
    }
    // It has no other try: what was handed on is the command's alone.
    command.files.clear();
    become_monitor(&instance.pidfd, identity)?;
    if let Some(failure) = failure(&last_words(&reader, &child, &signals)?) {
        return failed(failure);
    }
    let ended = wait_for(pid, &child, &signals, &mut terminal)?;
    terminal.restore();
    Ok(ended)
}

/// How far the child has come.
enum Joined {
    /// It is in the instance.
    Yes,
    /// It is not, for this reason.
    Not((u8, Error)),
    /// It was killed on its way.
    Killed,
}

/// Waits for the child to join.
fn joined(reader: &OwnedFd) -> Result<Joined> {
    let mut first = [0];
    let length = retry_on_intr(|| rustix::io::read(reader, &mut first))
        .doing("read", || "from the command")?;
    Ok(match first {
        _ if length == 0 => Joined::Killed,
        [JOINED] => Joined::Yes,
        [status] => {
            let error = Error::from_bytes(&read_all(reader)?);
            Joined::Not((status, error))
        }
    })
}

/// What the child says until it becomes the command, or does not. A program or a directory on a server that does not
/// answer can keep it; so a signal that is to end it does, after a moment.
fn last_words(reader: &OwnedFd, child: &OwnedFd, signals: &OwnedFd) -> Result<Vec<u8>> {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    let mut moment = None;
    loop {
        let mut ready = [
            PollFd::new(reader, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        let count = match poll(&mut ready, moment.as_ref()) {
            Err(Errno::INTR) => continue,
            other => other.doing("poll", || "the session")?,
        };
        if count == 0 {
            let _ = caddis_sys::pidfd_send_signal(child, Signal::KILL.as_raw());
            moment = None;
        }
        if !ready[1].revents().is_empty() {
            while let Some(caught) = Caught::read(signals).doing("read", || "a signal")? {
                let ends = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];
                if ends.map(Signal::as_raw).contains(&caught.signal) {
                    moment = Some(Timespec {
                        tv_sec: 1,
                        tv_nsec: 0,
                    });
                }
                pass_on(caught, child)?;
            }
        }
        if ready[0].revents().is_empty() {
            continue;
        }
        match rustix::io::read(reader, &mut buffer) {
            Ok(0) => return Ok(said),
            Ok(length) => said.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("read", || "from the command"),
        }
    }
}

/// What the child says when it does not become the command.
fn failure(said: &[u8]) -> Option<(u8, Error)> {
    let (status, error) = said.split_first()?;
    Some((*status, Error::from_bytes(error)))
}

/// Process 1 has been killed, or has failed to build the view.
fn gone(instance: &Instance, building: Option<Building>) -> Result<Ended> {
    if let Some(Err(error)) = building.map(|building| building.wait(instance)) {
        return not_started(instance, error);
    }
    leave_pid_namespace()?;
    wait_until_gone(instance, end_deadline())?;
    Ok(Ended::InstanceGone)
}

fn not_started(instance: &Instance, error: Error) -> Result<Ended> {
    let _ = waitid(WaitId::PidFd(instance.pidfd.as_fd()), WaitIdOptions::EXITED);
    leave_pid_namespace()?;
    Ok(Ended::NotStarted(error))
}

/// Leaves a pid namespace in which nothing can be born any more.
fn leave_pid_namespace() -> Result<()> {
    let own = "/proc/self/ns/pid";
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat(CWD, own, flags, Mode::empty())
        .and_then(|own| move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::ProcessID)))
        .doing("setns", || own)
}

/// Waits for the command to end, and meanwhile does what a shell expects of the process it started.
fn wait_for(
    pid: Pid,
    child: &OwnedFd,
    signals: &OwnedFd,
    terminal: &mut Terminal,
) -> Result<Ended> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    loop {
        match waitid(WaitId::PidFd(child.as_fd()), options) {
            Ok(Some(status)) if status.stopped() => stop_along(child, terminal)?,
            // It has asked to be traced by its parent, as some programs do to find out whether they are.
            Ok(Some(status)) if status.trapped() => {
                let signal = status.trapping_signal().unwrap_or(0);
                let trap = signal == Signal::TRAP.as_raw();
                match caddis_sys::let_go(pid, if trap { 0 } else { signal }) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(errno).doing("ptrace", || "the command"),
                }
            }
            Ok(Some(status)) => return Ok(ended(&status)),
            Ok(None) | Err(Errno::INTR) => {
                let mut ready = [PollFd::new(signals, PollFlags::IN)];
                match poll(&mut ready, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno).doing("poll", || "the session"),
                }
            }
            Err(errno) => return Err(errno).doing("wait for", || "the command"),
        }
        while let Some(caught) = Caught::read(signals).doing("read", || "a signal")? {
            pass_on(caught, child)?;
        }
    }
}

fn ended(status: &WaitIdStatus) -> Ended {
    match (status.exit_status(), status.terminating_signal()) {
        (None, Some(signal)) => Ended::Killed(signal),
        (code, _) => Ended::Command(
            code.and_then(|code| u8::try_from(code).ok())
                .unwrap_or(u8::MAX),
        ),
    }
}

/// Signals of other processes go on to the command; those of the terminal have reached it already,
/// since it is in the same foreground process group. A hang-up always goes on: the kernel sends it to
/// the session's leader, which may be this process.
fn pass_on(caught: Caught, child: &OwnedFd) -> Result<()> {
    let hang_up = caught.signal == Signal::HUP.as_raw();
    if caught.signal == Signal::CHILD.as_raw() || !(caught.sent_by_process || hang_up) {
        return Ok(());
    }
    match caddis_sys::pidfd_send_signal(child, caught.signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno).doing("pass a signal on to", || "the command"),
    }
}

/// The command has stopped: stop as well, so that the shell outside takes its terminal back, and
/// go on with it.
fn stop_along(child: &OwnedFd, terminal: &mut Terminal) -> Result<()> {
    // In the background the terminal is that of the shell outside, and stays it.
    let inside = terminal.caller.and_then(|_| terminal.foreground());
    terminal.restore();
    kill_process(getpid(), Signal::STOP).doing("stop", || "the session")?;
    *terminal = Terminal::of_caller();
    if let (Some(_), Some(group)) = (terminal.caller, inside) {
        terminal.give_to(group);
    }
    match pidfd_send_signal(child, Signal::CONT) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno).doing("continue", || "the command"),
    }
}

/// The terminal that the caller may have, and its foreground process group when the session was
/// started or last continued, if that is the caller's: a shell inside takes the terminal for itself,
/// and its pid namespace keeps it from giving it back.
struct Terminal {
    caller: Option<Pid>,
}

impl Terminal {
    fn of_caller() -> Terminal {
        let own = Terminal { caller: None }
            .foreground()
            .filter(|group| *group == getpgrp());
        Terminal { caller: own }
    }

    fn foreground(&self) -> Option<Pid> {
        tcgetpgrp(rustix::stdio::stdin()).ok()
    }

    fn restore(&self) {
        if let Some(caller) = self.caller {
            self.give_to(caller);
        }
    }

    /// SIGTTOU is blocked, so this works from the background as well.
    fn give_to(&self, group: Pid) {
        let _ = tcsetpgrp(rustix::stdio::stdin(), group);
    }
}

//! The relay: bytes, sizes and signals between the caller's terminal and the command's.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal,
};
use rustix::termios::tcsetwinsize;

use super::buffer::{Buffer, Flow};
use super::outer::Outer;
use super::pty::Pty;
use super::signals::{Event, Signals};
use crate::error::Error;
use crate::helper::call::{code_of, not_started};

/// Runs the command, with a terminal of its own where it would have had the caller's, until it ends.
pub fn relay(mut command: Command, mut outer: Outer) -> Result<u8, Error> {
    // Before the command starts, so that no signal falls between.
    let signals = Signals::take()?;
    let pty = match outer.is_any() {
        true => Some(Pty::like(
            outer.settings(),
            outer.size(),
            outer.input.is_some(),
        )?),
        false => None,
    };
    if let Some(pty) = &pty {
        let slave = || {
            let copy = pty
                .slave
                .try_clone()
                .map_err(|error| Error::io("duplicate", "the pseudo-terminal", error));
            copy.map(Stdio::from)
        };
        let [input, output, error] = outer.streams;
        if input {
            command.stdin(slave()?);
        }
        if output {
            command.stdout(slave()?);
        }
        if error {
            command.stderr(slave()?);
        }
    }
    let child = command
        .spawn()
        .map_err(|error| not_started(Path::new(command.get_program()), &error))?;
    let typing = outer.enter_raw();
    let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
        .map_err(|error| Error::io("watch", "the helper", error))?;
    // Our copy of the command's end stays open until the command has ended: a hang-up then means that, and not that the
    // command has closed its streams for a moment.
    let (master, slave) = pty.map_or((None, None), |pty| (Some(pty.master), Some(pty.slave)));
    let relay = Relay {
        child,
        ended,
        signals,
        master,
        outer,
        typing,
        keys: Buffer::new(),
        screen: Buffer::new(),
    };
    let code = relay.run();
    drop((slave, command));
    code
}

struct Relay {
    child: Child,
    /// The child's pidfd: readable when it has ended.
    ended: OwnedFd,
    signals: Signals,
    /// None when there is no terminal to relay, or when the caller's is gone.
    master: Option<OwnedFd>,
    outer: Outer,
    /// Whether keys are read: only in the foreground.
    typing: bool,
    /// On the way in.
    keys: Buffer,
    /// On the way out.
    screen: Buffer,
}

impl Relay {
    fn run(mut self) -> Result<u8, Error> {
        loop {
            let ready = self.wait()?;
            if ready.signal {
                self.take_signals();
            }
            if ready.screen && self.pass_screen() == Flow::Closed {
                self.hang_up();
            }
            if ready.keys {
                self.pass_keys();
            }
            if ready.ended {
                break;
            }
        }
        self.pass_the_rest();
        let status = self
            .child
            .wait()
            .map_err(|error| Error::io("wait for", "the helper", error))?;
        Ok(code_of(status))
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Result<Ready, Error> {
        let mut on_master = PollFlags::IN;
        on_master.set(PollFlags::OUT, !self.keys.is_empty());
        let mut waiting = vec![PollFd::new(&self.ended, PollFlags::IN)];
        let signals = self.signals.as_fd();
        waiting.push(PollFd::from_borrowed_fd(signals, PollFlags::IN));
        if let Some(master) = &self.master {
            waiting.push(PollFd::new(master, on_master));
        }
        // Keys are only taken when the ones before have been passed on.
        let input = self
            .outer
            .input
            .as_ref()
            .filter(|_| self.typing && self.master.is_some() && self.keys.is_empty());
        if let Some(input) = input {
            waiting.push(PollFd::new(input, PollFlags::IN));
        }
        match poll(&mut waiting, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::io("wait for", "the terminal", error)),
        }
        let mut events = waiting.iter().map(PollFd::revents);
        let mut next = |expected: bool| match expected {
            true => events.next().unwrap_or(PollFlags::empty()),
            false => PollFlags::empty(),
        };
        let (ended, signal) = (next(true), next(true));
        let (master, input) = (next(self.master.is_some()), next(input.is_some()));
        Ok(Ready {
            ended: !ended.is_empty(),
            signal: !signal.is_empty(),
            screen: master.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
            keys: !input.is_empty() || master.contains(PollFlags::OUT),
        })
    }

    fn take_signals(&mut self) {
        for event in self.signals.pending() {
            match event {
                Event::Resized => self.resize(),
                Event::Continued => {
                    self.typing = self.outer.enter_raw();
                    self.resize();
                }
                Event::Suspend => {
                    self.outer.leave_raw();
                    let _ = kill_process(getpid(), Signal::STOP);
                }
                // It may have ended just now; then there is nobody to tell.
                Event::Forward(signal) => drop(pidfd_send_signal(&self.ended, signal)),
            }
        }
    }

    fn resize(&self) {
        if let (Some(master), Some(size)) = (&self.master, self.outer.size()) {
            // The kernel tells the command by SIGWINCH.
            let _ = tcsetwinsize(master, size);
        }
    }

    fn pass_screen(&mut self) -> Flow {
        let Some(master) = &self.master else {
            return Flow::Closed;
        };
        let flow = self.screen.fill(master);
        match &self.outer.output {
            Some(output) if self.screen.drain_all(output) == Flow::Closed => self.hang_up(),
            Some(_) => {}
            None => self.screen.clear(),
        }
        flow
    }

    fn pass_keys(&mut self) {
        let (Some(master), Some(input)) = (&self.master, &self.outer.input) else {
            return;
        };
        if self.keys.is_empty() && self.keys.fill(input) == Flow::Closed {
            return self.hang_up();
        }
        if !self.keys.is_empty() && self.keys.drain(master) == Flow::Closed {
            self.keys.clear();
        }
    }

    /// One of the two terminals is gone. Closing our end hangs up the command's, which is how it would have noticed.
    fn hang_up(&mut self) {
        self.master = None;
        self.typing = false;
        self.keys.clear();
        self.screen.clear();
    }

    /// What the command wrote before it ended. All of it is there already, since asking for it (`poll`) makes the
    /// kernel hand it over first.
    fn pass_the_rest(&mut self) {
        while let Some(master) = &self.master {
            let mut waiting = [PollFd::from_borrowed_fd(master.as_fd(), PollFlags::IN)];
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let there = poll(&mut waiting, Some(&now)).is_ok_and(|count| count > 0);
            if !there || self.pass_screen() != Flow::More {
                break;
            }
        }
    }
}

struct Ready {
    ended: bool,
    signal: bool,
    screen: bool,
    keys: bool,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
#[path = "relay_tests.rs"]
mod tests;

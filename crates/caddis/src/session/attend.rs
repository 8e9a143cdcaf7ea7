//! A session that this program outlives: it starts the helper, and until that ends is to its caller what the helper
//! would be.

use std::os::fd::AsFd;
use std::process::Command;

use caddis_sys::{Caught, block_all, pidfd_send_signal, set_mask, signalfd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, kill_process, pidfd_open, waitid,
};

use crate::error::Error;
use crate::helper::call::not_started;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// As a shell would report it.
    pub status: u8,
    /// Meanwhile this program was told to end, too.
    pub told_to_end: bool,
}

/// Runs the command and waits for it. Signals that a process sends go on to it; those of the terminal reach it by
/// themselves.
pub fn attend(mut command: Command) -> Result<Ended, Error> {
    let failed = |reason: Errno| Error::io("wait for", "the session", reason);
    let path = command.get_program().to_owned();
    let child = command
        .spawn()
        .map_err(|error| not_started(path.as_ref(), &error))?;
    // Not before: what is blocked would be blocked in the command.
    let mask = block_all().map_err(failed)?;
    let signals = signalfd().map_err(failed)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let process =
        pidfd_open(pid.ok_or(Errno::SRCH).map_err(failed)?, PidfdFlags::empty()).map_err(failed)?;
    let mut told_to_end = false;
    let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    let status = loop {
        match waitid(WaitId::PidFd(process.as_fd()), options) {
            // So that the shell outside takes its terminal back.
            Ok(Some(status)) if status.stopped() => {
                kill_process(getpid(), Signal::STOP).map_err(failed)?;
                let _ = pidfd_send_signal(&process, Signal::CONT.as_raw());
            }
            Ok(Some(status)) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                break status.exit_status().or(signal).unwrap_or(0);
            }
            Ok(None) | Err(Errno::INTR) => {
                match poll(&mut [PollFd::new(&signals, PollFlags::IN)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(failed(errno)),
                }
            }
            Err(errno) => return Err(failed(errno)),
        }
        while let Some(caught) = Caught::read(&signals).map_err(failed)? {
            let is = |signal: Signal| caught.signal == signal.as_raw();
            told_to_end |= is(Signal::HUP) || is(Signal::TERM);
            if caught.sent_by_process && !is(Signal::CHILD) {
                let _ = pidfd_send_signal(&process, caught.signal);
            }
        }
    };
    set_mask(mask).map_err(failed)?;
    Ok(Ended {
        status: u8::try_from(status & 0xff).unwrap_or(u8::MAX),
        told_to_end,
    })
}

//! Signals as something to wait for beside descriptors.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use crate::error::Error;

/// What is passed on to the command.
const FORWARDED: [Signal; 6] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
];

/// What concerns the terminal.
const TERMINAL: [Signal; 3] = [Signal::WINCH, Signal::TSTP, Signal::CONT];

/// Pending signals, readable through a descriptor.
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The terminal has another size.
    Resized,
    /// This program is to stop for a while.
    Suspend,
    /// It goes on, perhaps in the background, perhaps out of it.
    Continued,
    /// For the command.
    Forward(Signal),
}

impl Signals {
    /// Takes the signals. Handlers do not survive an exec, so the command is not affected. A signal that is ignored
    /// (`nohup`, a script's `trap ''`) stays ignored, here and in the command.
    pub fn take() -> Result<Self, Error> {
        let failed = |reason| Error::io("set up", "the handling of signals", reason);
        let status = std::fs::read("/proc/self/status").unwrap_or_default();
        let ignored = ignored(&status);
        let wanted = FORWARDED
            .iter()
            .chain(&TERMINAL)
            .map(|signal| signal.as_raw());
        let wanted = wanted.filter(|number| ignored & (1 << (number - 1)) == 0);
        let (read, write) = UnixStream::pair().map_err(failed)?;
        let delivery =
            SignalDelivery::with_pipe(read, write, SignalOnly, wanted).map_err(failed)?;
        Ok(Self { delivery })
    }

    /// Readable when a signal has come.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }

    /// The signals that have come.
    pub fn pending(&mut self) -> Vec<Event> {
        self.delivery.pending().filter_map(event).collect()
    }
}

fn event(number: i32) -> Option<Event> {
    let signal = Signal::from_named_raw(number)?;
    Some(match signal {
        Signal::WINCH => Event::Resized,
        Signal::TSTP => Event::Suspend,
        Signal::CONT => Event::Continued,
        other => Event::Forward(other),
    })
}

/// The set of ignored signals in a `/proc/PID/status`, bit 0 being signal 1.
fn ignored(status: &[u8]) -> u64 {
    let mut lines = status.split(|byte| *byte == b'\n');
    let field = lines.find_map(|line| line.strip_prefix(b"SigIgn:"));
    field
        .and_then(|hex| std::str::from_utf8(hex.trim_ascii()).ok())
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_ignored() {
        assert_eq!(ignored(b"Name:\t\xff\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(ignored(b""), 0);
    }
}

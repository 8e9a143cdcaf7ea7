//! Terminals: a session of its own for what root runs for somebody else.
//!
//! The command gets a pseudo-terminal, and this program carries bytes between that and root's terminal. No descriptor
//! of root's terminal ever reaches the helper or what it starts, and the helper's `--ctty` puts them into a session
//! whose controlling terminal, if any, is the new one; so neither a descriptor nor `/dev/tty` leads back.

mod buffer;
mod outer;
mod pty;
mod relay;
mod signals;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use crate::error::Error;

/// Whether there is any way from this process to a terminal: a standard stream, or the controlling terminal.
pub fn any_terminal() -> bool {
    let streams = [
        rustix::termios::isatty(std::io::stdin()),
        rustix::termios::isatty(std::io::stdout()),
    ];
    streams.contains(&true)
        || rustix::termios::isatty(std::io::stderr())
        || has_controlling_terminal()
}

fn has_controlling_terminal() -> bool {
    let no_side_effects = (rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK).bits();
    let flags = i32::try_from(no_side_effects).unwrap_or_default();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open("/dev/tty")
        .is_ok()
}

/// Runs the command with a terminal of its own in place of each standard stream that is one; returns its status.
pub fn relay(command: Command) -> Result<u8, Error> {
    relay::relay(command, outer::Outer::of_this_process()?)
}

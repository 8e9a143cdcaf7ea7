//! A new pseudo-terminal.

use std::os::fd::OwnedFd;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, Termios, Winsize, tcsetattr, tcsetwinsize};

use crate::error::Error;

/// Both ends of a pseudo-terminal; both are closed on exec.
#[derive(Debug)]
pub struct Pty {
    /// Ours. Does not block.
    pub master: OwnedFd,
    /// What the command takes for its terminal.
    pub slave: OwnedFd,
}

impl Pty {
    /// Makes a terminal that is set up like another one.
    pub fn like(
        settings: Option<Termios>,
        size: Option<Winsize>,
        input: bool,
    ) -> Result<Self, Error> {
        let failed = |operation: &'static str| {
            move |reason: rustix::io::Errno| Error::io(operation, "a pseudo-terminal", reason)
        };
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).map_err(failed("open"))?;
        grantpt(&master).map_err(failed("take over"))?;
        unlockpt(&master).map_err(failed("unlock"))?;
        // By descriptor and not by name: the name means something else where another devpts is mounted.
        let slave = ioctl_tiocgptpeer(&master, flags).map_err(failed("open the other end of"))?;
        rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)
            .map_err(failed("set up"))?;
        if let Some(mut settings) = settings {
            if !input {
                // The outer terminal is not in raw mode then, and translates line ends itself.
                settings.output_modes.remove(OutputModes::OPOST);
            }
            tcsetattr(&slave, OptionalActions::Now, &settings).map_err(failed("set up"))?;
        }
        if let Some(size) = size {
            tcsetwinsize(&master, size).map_err(failed("size"))?;
        }
        Ok(Self { master, slave })
    }
}

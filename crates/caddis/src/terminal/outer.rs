//! The terminal that the caller sits at.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::process::getpgrp;
use rustix::termios::{
    OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};

use crate::error::Error;

/// The caller's terminal, and which of the standard streams are one.
#[derive(Debug)]
pub struct Outer {
    /// Where typing comes from: standard input, if that is a terminal.
    pub input: Option<OwnedFd>,
    /// Where output goes to: the first of standard output, error and input that is a terminal and can be written.
    pub output: Option<OwnedFd>,
    /// For each standard stream whether it is a terminal.
    pub streams: [bool; 3],
    /// The settings to go back to while the terminal is in raw mode.
    saved: Option<Termios>,
}

impl Outer {
    /// The terminal of this process's standard streams.
    pub fn of_this_process() -> Result<Self, Error> {
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        Self::new([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()])
    }

    /// The terminal among these standard streams.
    pub fn new(streams: [BorrowedFd<'_>; 3]) -> Result<Self, Error> {
        let terminals = streams.map(isatty);
        let copy = |stream: BorrowedFd<'_>| {
            stream
                .try_clone_to_owned()
                .map_err(|error| Error::io("duplicate", "the terminal's descriptor", error))
        };
        let writable = |index: &usize| {
            let flags = rustix::fs::fcntl_getfl(streams[*index]).unwrap_or(OFlags::RDONLY);
            terminals[*index] && (flags & OFlags::RWMODE) != OFlags::RDONLY
        };
        Ok(Self {
            input: terminals[0].then(|| copy(streams[0])).transpose()?,
            output: [1, 2, 0]
                .iter()
                .find(|index| writable(index))
                .map(|index| copy(streams[*index]))
                .transpose()?,
            streams: terminals,
            saved: None,
        })
    }

    /// Whether any standard stream is a terminal.
    pub fn is_any(&self) -> bool {
        self.streams.contains(&true)
    }

    fn any(&self) -> Option<&OwnedFd> {
        self.input.as_ref().or(self.output.as_ref())
    }

    /// The terminal's settings.
    pub fn settings(&self) -> Option<Termios> {
        tcgetattr(self.any()?).ok()
    }

    /// The terminal's size.
    pub fn size(&self) -> Option<Winsize> {
        tcgetwinsize(self.any()?).ok()
    }

    /// Whether typing is for this program: it is not when a shell has put it into the background, where even setting
    /// the terminal up would stop it.
    pub fn is_foreground(&self) -> bool {
        let Some(input) = &self.input else {
            return false;
        };
        // A terminal that does not control this process has no foreground for it to be in; it can just be used.
        tcgetpgrp(input).map_or(true, |group| group == getpgrp())
    }

    /// Hands every key through as it is, if this program is in the foreground; says whether it is.
    pub fn enter_raw(&mut self) -> bool {
        let (Some(input), true) = (&self.input, self.is_foreground()) else {
            return false;
        };
        let Ok(current) = tcgetattr(input) else {
            return true;
        };
        let mut raw = self.saved.get_or_insert(current).clone();
        raw.make_raw();
        // Nothing is lost when it fails: keys would be echoed twice, that is all.
        let _ = tcsetattr(input, OptionalActions::Now, &raw);
        true
    }

    /// Gives the terminal back as it was. In the background it is somebody else's to set up.
    pub fn leave_raw(&mut self) {
        let foreground = self.is_foreground();
        if let (Some(saved), Some(input), true) = (self.saved.take(), &self.input, foreground) {
            let _ = tcsetattr(input, OptionalActions::Now, &saved);
        }
    }
}

/// Every way out passes here: this crate's programs do not panic, and signals are taken by the relay.
impl Drop for Outer {
    fn drop(&mut self) {
        self.leave_raw();
    }
}

//! The result of a request: lines for standard output, warnings and errors for standard error, an
//! exit status. Verbs return it as data, because nothing is written before this process has become
//! its caller.

use crate::FAILED;
use crate::caller::Teller;
use crate::output;
use caddis_view::Error;
use caddis_view::error::Context;
use caddis_view::start::read_all;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, OwnedFd};

/// An answer to the caller.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    status: u8,
    said: Vec<Said>,
}

/// One part of it.
#[derive(Debug)]
enum Said {
    Line(String),
    Warning(String),
    Error(Error),
    Stream(Stream),
}

/// What is read while it is written: too much to be held in memory.
#[derive(Debug)]
pub(crate) struct Stream {
    /// What to copy to standard output.
    pub(crate) from: OwnedFd,
    /// What it is, in an error.
    pub(crate) object: &'static str,
    /// No more bytes than these.
    pub(crate) most: u64,
    /// Who writes it.
    pub(crate) writer: Option<Writer>,
}

/// A child that writes a stream, and must come to its end.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) process: OwnedFd,
    /// Where it says what went wrong.
    pub(crate) errors: OwnedFd,
}

impl Answer {
    /// Nothing but an exit status.
    pub(crate) fn status(status: u8) -> Answer {
        let said = Vec::new();
        Answer { status, said }
    }

    /// An error that has ended the request.
    pub(crate) fn failed(error: Error) -> Answer {
        let mut answer = Answer::default();
        answer.error(error);
        answer
    }

    /// An error that has ended the request with this status.
    pub(crate) fn failed_with(status: u8, error: Error) -> Answer {
        Answer {
            status,
            ..Answer::failed(error)
        }
    }

    /// A line as it is.
    pub(crate) fn line(&mut self, text: impl Into<String>) {
        self.said.push(Said::Line(text.into()));
    }

    /// A message that does not make the request fail.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.said.push(Said::Warning(text.into()));
    }

    /// What went wrong with a part of the request; the rest goes on.
    pub(crate) fn error(&mut self, error: Error) {
        self.status = FAILED;
        self.said.push(Said::Error(error));
    }

    /// What comes out of a descriptor.
    pub(crate) fn stream(&mut self, stream: Stream) {
        self.said.push(Said::Stream(stream));
    }

    /// How the request has ended.
    pub(crate) fn exit_status(&self) -> u8 {
        self.status
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// Writes the answer and returns the exit status. A line that cannot be written changes
    /// nothing: nobody reads it.
    pub(crate) fn tell(self, teller: &Teller) -> u8 {
        let mut status = self.status;
        for said in self.said {
            match said {
                Said::Line(text) => output::plain(teller, &text),
                Said::Warning(text) => output::warn(teller, &text),
                Said::Error(error) => output::error(teller, &error),
                Said::Stream(stream) => match stream.copy(teller) {
                    Ok(true) => {}
                    Ok(false) => status = FAILED,
                    Err(error) => {
                        status = FAILED;
                        output::error(teller, &error);
                    }
                },
            }
        }
        status
    }
}

impl Stream {
    /// Copies it all. `false`: nobody reads it any more, so no error is reported either.
    fn copy(self, teller: &Teller) -> Result<bool, Error> {
        let mut left = self.most;
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let length = match rustix::io::read(&self.from, &mut buffer[..wanted]) {
                Ok(0) => break,
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(Error::kernel("read", self.object, errno)),
            };
            match output::bytes(teller, &buffer[..length]) {
                Ok(()) => left -= u64::try_from(length).unwrap_or(left),
                Err(Errno::PIPE) => return Ok(false),
                Err(errno) => return Err(Error::kernel("write", self.object, errno)),
            }
        }
        match self.writer {
            None => Ok(true),
            Some(writer) => writer.end(self.object).map(|()| true),
        }
    }
}

impl Writer {
    fn end(self, object: &str) -> Result<(), Error> {
        let error = read_all(&self.errors)?;
        if !error.is_empty() {
            return Err(Error::from_bytes(&error));
        }
        let ended =
            retry_on_intr(|| waitid(WaitId::PidFd(self.process.as_fd()), WaitIdOptions::EXITED));
        match ended.doing("wait for", || "a process of Caddis's")? {
            Some(status) if status.exit_status() == Some(0) => Ok(()),
            _ => Err(Error::refused("read", object, "its reader was killed")),
        }
    }
}

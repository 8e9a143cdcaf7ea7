//! The one error of the command line: what kind it is, what happened, and what to do about it.

use std::fmt;
use std::io::{self, Write};

/// Decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line makes no sense.
    Usage,
    /// Caddis could not do what was asked.
    Failed,
    /// The reason has been printed already, here or by the helper; only the exit status is left to pass on.
    Reported(u8),
    /// Whoever read our output went away.
    BrokenPipe,
}

/// The status of a Caddis that failed itself, as opposed to the command it ran; as in `env(1)` and docker.
pub const FAILED: u8 = 125;

/// What a shell reports for a program that died of SIGPIPE, which is how a reader who leaves early ends most programs.
const DIED_OF_SIGPIPE: u8 = 141;

/// An error that names operation, object and reason, with an optional hint.
#[derive(Debug)]
pub struct Error {
    /// What kind of failure.
    pub kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Error {
    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            message: message.into(),
            hint: None,
        }
    }

    /// Caddis could not do what was asked.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Failed,
            message: message.into(),
            hint: None,
        }
    }

    /// An operation on an object failed for a reason the system gave.
    pub fn io(operation: &str, object: impl fmt::Display, reason: impl Into<io::Error>) -> Self {
        Self::failed(format!(
            "{operation} {object}: {}",
            reason_of(&reason.into())
        ))
    }

    /// Nothing more to say than the exit status.
    pub fn reported(code: u8) -> Self {
        Self {
            kind: Kind::Reported(code),
            message: String::new(),
            hint: None,
        }
    }

    /// Adds what the user can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether there is a hint.
    pub fn is_hinted(&self) -> bool {
        self.hint.is_some()
    }

    /// What happened, without the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The exit status; `usage` is the status of a usage error, which differs between commands.
    pub fn code(&self, usage: u8) -> u8 {
        match self.kind {
            Kind::Usage => usage,
            Kind::Failed => FAILED,
            Kind::Reported(code) => code,
            Kind::BrokenPipe => DIED_OF_SIGPIPE,
        }
    }

    /// Prints the error for a person and says with which status to end.
    pub fn report(&self, usage: u8) -> u8 {
        if !self.message.is_empty() {
            // A standard error that cannot be written to leaves nobody to tell.
            let _ = io::stderr().lock().write_all(self.to_string().as_bytes());
        }
        self.code(usage)
    }
}

/// The system's reason without Rust's "(os error N)".
pub fn reason_of(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "caddis: {}", self.message)?;
        match &self.hint {
            Some(hint) => writeln!(f, "  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// For writing to standard output, where an I/O error can only mean that the output could not be delivered.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                kind: Kind::BrokenPipe,
                message: String::new(),
                hint: None,
            };
        }
        Self::io("write", "standard output", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_operation_object_and_reason() {
        let error =
            Error::io("read", "/etc/passwd", io::Error::from_raw_os_error(13)).hint("be root");
        assert_eq!(
            error.to_string(),
            "caddis: read /etc/passwd: Permission denied\n  hint: be root\n"
        );
        assert_eq!(error.code(2), 125);
    }

    #[test]
    fn usage_errors_end_as_the_command_wants() {
        assert_eq!(Error::usage("no").code(2), 2);
        assert_eq!(Error::usage("no").code(125), 125);
    }

    #[test]
    fn a_reader_who_left_is_not_worth_a_word() {
        let error = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((error.kind, error.code(2)), (Kind::BrokenPipe, 141));
        assert!(error.message.is_empty());
    }
}

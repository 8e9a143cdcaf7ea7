//! The one error of this program: what was done, to what, and why it failed.

use std::fmt::{self, Display};

/// What went wrong, in one sentence.
#[derive(Debug, Clone)]
pub struct Error(pub String);

/// A result whose error is a sentence.
pub type Result<T> = std::result::Result<T, Error>;

impl Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "caddis-bench: {}", self.0)
    }
}

/// Adds the operation and the object to an error.
pub trait Context<T> {
    /// `what` is a verb and its object: "write /etc/hosts".
    fn context(self, what: impl Display) -> Result<T>;
}

impl<T, E: Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|reason| Error(format!("{what}: {reason}")))
    }
}

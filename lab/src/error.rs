//! The one error of the lab: what was done, to what, and why it failed.

use std::fmt::Display;

/// What went wrong, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("lab: {0}")]
pub struct LabError(pub String);

/// A result whose error is a sentence.
pub type Result<T> = std::result::Result<T, LabError>;

/// Adds the operation and the object to an error.
pub(crate) trait Context<T> {
    fn context(self, what: impl Display) -> Result<T>;
}

impl<T, E: Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|reason| LabError(format!("{what}: {reason}")))
    }
}

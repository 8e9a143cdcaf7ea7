//! Environment names.

use std::fmt;
use std::str::FromStr;

/// The longest name in bytes. It becomes a file name, a host name's neighbour in a prompt and a
/// column of a table, so it is kept well below what file systems allow.
const LONGEST: usize = 64;

/// The name of an environment: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or a digit.
///
/// A value of this type is safe as one component of a path (it is never `.` or `..` and has no `/`)
/// and as an argument of a command (it never begins with `-`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

/// Why some bytes are no environment name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There are no bytes.
    #[error("must not be empty")]
    Empty,
    /// There are too many bytes.
    #[error("{length} bytes are too many; allowed: at most {LONGEST}")]
    TooLong {
        /// How many there are.
        length: usize,
    },
    /// The first byte may only stand further on, or nowhere.
    #[error("begins with '{}'; allowed: a letter or a digit", .byte.escape_ascii())]
    First {
        /// The byte.
        byte: u8,
    },
    /// A later byte may stand nowhere.
    #[error(
        "'{}' at byte {} is not allowed; allowed: letters, digits, '.', '_' and '-'",
        .byte.escape_ascii(), .index + 1
    )]
    Byte {
        /// The byte.
        byte: u8,
        /// Its place, counted from 0.
        index: usize,
    },
}

impl EnvName {
    /// Checks `bytes`, which need not be UTF-8: they may come straight from an argument.
    ///
    /// # Errors
    /// Says which byte is wrong; the message shows it escaped and may go to a terminal.
    pub fn parse(bytes: &[u8]) -> Result<Self, NameError> {
        let first = *bytes.first().ok_or(NameError::Empty)?;
        if bytes.len() > LONGEST {
            return Err(NameError::TooLong {
                length: bytes.len(),
            });
        }
        if !first.is_ascii_alphanumeric() {
            return Err(NameError::First { byte: first });
        }
        let mut name = String::with_capacity(bytes.len());
        for (index, &byte) in bytes.iter().enumerate() {
            if !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'_' | b'-') {
                return Err(NameError::Byte { byte, index });
            }
            name.push(char::from(byte));
        }
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for EnvName {
    /// The environment that is meant when none is named.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for EnvName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text.as_bytes())
    }
}

//! What a login comes to in the end.

use std::ffi::{OsStr, OsString};

/// What is to be started, wherever that may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The user's shell.
    Shell {
        /// Its name has a `-` in front.
        login: bool,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
    /// The program behind `sftp` and newer `scp`, which sshd has built in under the name `internal-sftp`.
    Sftp {
        /// Its arguments.
        arguments: Vec<OsString>,
    },
}

const LOGIN_SHELL: &str = "login-shell";
const SHELL: &str = "shell";
const SFTP: &str = "sftp";

impl Start {
    /// As after a login at the console.
    pub fn login_shell() -> Self {
        Self::Shell {
            login: true,
            arguments: Vec::new(),
        }
    }

    /// As sshd runs a command: one string, for the shell to read.
    pub fn command(string: impl Into<OsString>) -> Self {
        Self::Shell {
            login: false,
            arguments: vec!["-c".into(), string.into()],
        }
    }

    /// Whether somebody sits in front of it, as far as can be told.
    pub fn is_interactive(&self) -> bool {
        matches!(self, Self::Shell { arguments, .. } if arguments.is_empty())
    }

    /// As words, for the other half of this program.
    pub fn into_words(self) -> Vec<OsString> {
        let (word, arguments) = match self {
            Self::Shell {
                login: true,
                arguments,
            } => (LOGIN_SHELL, arguments),
            Self::Shell { arguments, .. } => (SHELL, arguments),
            Self::Sftp { arguments } => (SFTP, arguments),
        };
        std::iter::once(word.into()).chain(arguments).collect()
    }

    /// And back.
    pub fn from_words(words: &[OsString]) -> Option<Self> {
        let (word, arguments) = words.split_first()?;
        let arguments = arguments.to_vec();
        let shell = |login, arguments| Some(Self::Shell { login, arguments });
        match OsStr::to_str(word)? {
            LOGIN_SHELL => shell(true, arguments),
            SHELL => shell(false, arguments),
            SFTP => Some(Self::Sftp { arguments }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_said_is_understood(login: bool, sftp: bool, words: Vec<Vec<u8>>) {
            let arguments = words.into_iter().map(OsString::from_vec).collect();
            let start = match sftp {
                true => Start::Sftp { arguments },
                false => Start::Shell { login, arguments },
            };
            prop_assert_eq!(Start::from_words(&start.clone().into_words()), Some(start));
        }
    }

    #[test]
    fn nonsense_is_not_understood() {
        assert_eq!(Start::from_words(&[]), None);
        assert_eq!(Start::from_words(&["sh".into()]), None);
    }
}

//! Looking after one's environments from inside: what has to be done outside, and how it is asked for.
//!
//! A login leaves a process on the host, the attendant (`caddis-login`), that does it for whoever is inside. `caddis`
//! sends it one message, with its standard streams, and gets one answer: the exit status, and what to say.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The commands of `caddis` that are of use outside only: they run nothing of the user's. What does (`run`, `root`) is as
/// good inside.
pub const COMMANDS: [&str; 10] = [
    "config", "diff", "doctor", "list", "new", "ps", "remove", "revert", "status", "stop",
];

/// The variable that says where the attendant listens.
pub const PLACE: &str = "CADDIS_HOST";

/// The word by which the attendant tells `caddis` where it was asked from: environment and directory.
pub const FROM_INSIDE: &str = "--from-inside";

/// How long a message may be. A socket takes somewhat more.
pub const LONGEST: usize = 1 << 16;

/// Whether a command is one of them.
pub fn is_for_outside(command: &OsStr) -> bool {
    COMMANDS.into_iter().any(|known| command == known)
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The environment that one is in.
    pub environment: OsString,
    /// The working directory in it; empty: there is none.
    pub directory: OsString,
    /// `TERM`; empty: not set.
    pub term: OsString,
    /// `NO_COLOR`; empty: not set.
    pub no_color: OsString,
    /// The command and its arguments.
    pub arguments: Vec<OsString>,
}

impl Wish {
    /// As a message; `None`: it would be too long.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let head = [
            &self.environment,
            &self.directory,
            &self.term,
            &self.no_color,
        ];
        let mut bytes = Vec::new();
        for word in head.into_iter().chain(&self.arguments) {
            bytes.extend(word.as_bytes());
            bytes.push(0);
        }
        (bytes.len() <= LONGEST).then_some(bytes)
    }

    /// And back; `None`: it makes no sense, or is none of [`COMMANDS`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes
            .strip_suffix(&[0])
            .filter(|_| bytes.len() <= LONGEST)?
            .split(|byte| *byte == 0)
            .map(|word| OsString::from_vec(word.to_vec()));
        let wish = Self {
            environment: words.next()?,
            directory: words.next()?,
            term: words.next()?,
            no_color: words.next()?,
            arguments: words.collect(),
        };
        is_for_outside(wish.arguments.first()?).then_some(wish)
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The command has stopped, as it was told to: what is typed from now on is somebody else's.
    Stopped,
    /// It has ended, or could not be started.
    Ended {
        /// As a shell would report it.
        status: u8,
        /// What there is to say beside what it has said itself.
        text: Vec<u8>,
    },
}

const STOPPED: u8 = b's';
const ENDED: u8 = b'e';

impl Answer {
    /// As a message.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Stopped => vec![STOPPED],
            Self::Ended { status, text } => [&[ENDED, *status], text.as_slice()].concat(),
        }
    }

    /// And back; `None`: it makes no sense.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [STOPPED] => Some(Self::Stopped),
            [ENDED, status, text @ ..] => Some(Self::Ended {
                status: *status,
                text: text.to_vec(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish(words: [&str; 4], arguments: &[&str]) -> Wish {
        let [environment, directory, term, no_color] = words.map(Into::into);
        Wish {
            environment,
            directory,
            term,
            no_color,
            arguments: arguments.iter().map(Into::into).collect(),
        }
    }

    proptest! {
        #[test]
        fn what_was_said_is_understood(
            words: [Vec<u8>; 4],
            command in prop::sample::select(&COMMANDS[..]),
            arguments: Vec<Vec<u8>>,
        ) {
            let word = |bytes: &Vec<u8>| OsString::from_vec(bytes.iter().copied().filter(|byte| *byte != 0).collect());
            let wish = Wish {
                environment: word(&words[0]),
                directory: word(&words[1]),
                term: word(&words[2]),
                no_color: word(&words[3]),
                arguments: std::iter::once(command.into()).chain(arguments.iter().map(word)).collect(),
            };
            prop_assert_eq!(Wish::from_bytes(&wish.to_bytes().unwrap()), Some(wish));
        }

        #[test]
        fn what_was_answered_is_understood(status: u8, text: Vec<u8>, stopped: bool) {
            let answer = match stopped {
                true => Answer::Stopped,
                false => Answer::Ended { status, text },
            };
            prop_assert_eq!(Answer::from_bytes(&answer.to_bytes()), Some(answer));
        }

        #[test]
        fn any_bytes_mean_something_or_nothing(bytes: Vec<u8>) {
            if let Some(answer) = Answer::from_bytes(&bytes) {
                prop_assert_eq!(&answer.to_bytes(), &bytes);
            }
            if let Some(wish) = Wish::from_bytes(&bytes) {
                prop_assert_eq!(wish.to_bytes(), Some(bytes));
            }
        }
    }

    #[test]
    fn what_runs_something_is_not_for_outside() {
        for command in [
            "run",
            "enter",
            "root",
            "try",
            "admin",
            "generate",
            FROM_INSIDE,
            "",
            "-h",
        ] {
            let bytes = wish(["e", "/", "", ""], &[command, "status"])
                .to_bytes()
                .unwrap();
            assert_eq!(Wish::from_bytes(&bytes), None, "{command}");
        }
        for bytes in ["", "\0", "e\0/\0t\0n\0", "e\0/\0t\0n\0status", "status\0"] {
            assert_eq!(Wish::from_bytes(bytes.as_bytes()), None, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_neither_said_nor_heard() {
        let long = "x".repeat(LONGEST);
        let wish = wish(["e", "/", "", ""], &["revert", &long]);
        assert_eq!(wish.to_bytes(), None);
        let bytes = format!("e\0/\0\0\0revert\0{long}\0");
        assert_eq!(Wish::from_bytes(bytes.as_bytes()), None);
    }
}

//! `ssh HOST caddis status`: looking after one's environments, for which one has to be outside. Without it, nobody whose
//! logins land inside could ever give up what keeps an environment from starting.
//!
//! Only what a shell would not change is understood, so that nobody is surprised, and only commands that start no program
//! of the user's on the host.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use caddis_client::call::BINDIR;
use caddis_client::error::Error;
use caddis_client::outside::is_for_outside;

use crate::variables::Variables;

/// The command line.
const CADDIS: &str = "caddis";

/// What decides which programs are started to show a long answer.
const OF_PAGERS: [&str; 4] = ["PAGER", "CADDIS_PAGER", "LESSOPEN", "LESSCLOSE"];

/// The arguments, if this is one of those commands and a shell would read the same words.
pub fn arguments(string: &OsStr) -> Option<Vec<OsString>> {
    let string = string.as_bytes();
    if !string.iter().all(|byte| is_plain(*byte)) {
        return None;
    }
    let mut words = string
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    if words.next()? != CADDIS.as_bytes() {
        return None;
    }
    let words: Vec<OsString> = words
        .map(|word| OsStr::from_bytes(word).to_owned())
        .collect();
    is_for_outside(words.first()?).then_some(words)
}

/// What means nothing to any shell, wherever it stands in a word; and the space between.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" _-./,:@+%=".contains(&byte)
}

/// Becomes the command line.
pub fn start(string: &OsStr, variables: Variables) -> Result<Infallible, Error> {
    let mut command = command(variables);
    command.args(arguments(string).unwrap_or_default());
    let reason = command.exec();
    Err(not_executed(&command, reason))
}

/// The command line, with variables by which it starts no pager: most start a shell when they are asked to.
pub fn command(mut variables: Variables) -> Command {
    variables.retain(|(name, _)| OF_PAGERS.into_iter().all(|one| name != one));
    variables.push(("PAGER".into(), "cat".into()));
    let mut command = Command::new(Path::new(BINDIR).join(CADDIS));
    command.env_clear().envs(variables);
    command
}

/// It could not be executed.
pub fn not_executed(command: &Command, reason: std::io::Error) -> Error {
    Error::io("execute", command.get_program().display(), reason)
        .hint("is Caddis installed completely? `caddis doctor` looks")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(string: &str) -> Option<String> {
        let words = arguments(OsStr::new(string))?;
        let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
        Some(words.join("|"))
    }

    #[test]
    fn what_looks_after_environments_is_understood() {
        for (string, words) in [
            ("caddis status", "status"),
            ("caddis  revert /etc/a.b  -e x ", "revert|/etc/a.b|-e|x"),
            ("caddis config default=@last", "config|default=@last"),
            ("caddis remove --yes old", "remove|--yes|old"),
        ] {
            assert_eq!(read(string).as_deref(), Some(words), "{string}");
        }
    }

    #[test]
    fn what_a_shell_would_change_or_run_is_the_shells() {
        for string in [
            "",
            "caddis",
            "caddis run id",
            "caddis root id",
            "caddis enter",
            "caddis try x",
            "caddis admin list",
            "caddis-login",
            "caddis status; id",
            "caddis status | cat",
            "caddis revert ~/x",
            "caddis revert '/a b'",
            "caddis status\nid",
            "caddis status\tx",
            "caddis status $(id)",
            "FOO=bar caddis status",
            "/usr/local/bin/caddis status",
            " caddis-x status",
        ] {
            assert_eq!(read(string), None, "{string:?}");
        }
    }
}

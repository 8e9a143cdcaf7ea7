//! What is to be done with the key that the user has logged in by.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use caddis_client::error::Error;

use crate::authorized_keys::{Disagreement, command_for, has_commands, keys_used};
use crate::variables::{USER_AUTH, Variables, get};
use crate::{authorities, small_file};

/// Where sshd looks for keys if it is not told otherwise (`AuthorizedKeysFile`).
const FILES: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// How sshd calls the file in which it says which key was used. Where it says nothing, `AcceptEnv` may let the client do so.
const TOLD: &str = "/tmp/sshauth.";

/// More than any such file has: ten thousand keys are a tenth of it.
const MOST: u64 = 64 << 20;

/// Why it is not known what belongs to the key. Then nothing is started: whoever holds a key that is good for one command
/// only must not get a shell because of that.
#[derive(Debug)]
pub enum Unknown {
    /// Which key it was, or which of its commands: others than the user may have seen to that.
    Key(Error),
    /// What the user has said of keys.
    Unread(Error),
}

impl From<Unknown> for Error {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Key(error) | Unknown::Unread(error) => error,
        }
    }
}

/// The command that belongs to the key. sshd says by which key the user has logged in where it is told to
/// (`ExposeAuthInfo`). `perhaps_su`: what is said may be left over from the session of somebody else, who has become this
/// user, and has proved that in another way.
pub fn command(
    variables: &Variables,
    home: Option<&OsStr>,
    perhaps_su: bool,
) -> Result<Option<OsString>, Unknown> {
    // Where no key has a command of its own, it is all the same by which key it was.
    let unless_all_the_same = |error| match !perhaps_su
        && (has_commands(&files(variables, home)?) || authorities::may_be_trusted())
    {
        true => Err(Unknown::Key(error)),
        false => Ok(None),
    };
    let Some(told) = get(variables, USER_AUTH) else {
        return unless_all_the_same(not_told());
    };
    let random = told.as_bytes().strip_prefix(TOLD.as_bytes());
    let told = Path::new(told);
    if random.is_none_or(|random| random.contains(&b'/')) {
        let error = io::Error::other("sshd does not call a file so");
        return unless_all_the_same(odd(told, error));
    }
    // Once sshd has removed it, anybody can put one of theirs in its place.
    let text = match small_file::read_own(told, MOST) {
        Ok(text) => text,
        Err(error)
            if [ErrorKind::NotFound, ErrorKind::PermissionDenied].contains(&error.kind()) =>
        {
            return match perhaps_su {
                true => Ok(None),
                // It does so when the connection ends. Whoever asks for a command and hangs up in the same moment would
                // be faster than we are.
                false => Err(Unknown::Key(hung_up(told, error))),
            };
        }
        Err(error) => return unless_all_the_same(odd(told, error)),
    };
    let Some(keys) = keys_used(&text) else {
        let error = io::Error::other("it names a key of no kind that is known");
        return unless_all_the_same(odd(told, error));
    };
    if keys.is_empty() {
        return Ok(None);
    }
    let files = files(variables, home)?;
    let commands = keys.iter().map(|key| command_for(key, &files));
    let commands: Result<Vec<_>, Disagreement> = commands.collect();
    match commands {
        Ok(commands) => Ok(commands
            .into_iter()
            .flatten()
            .next()
            .map(OsString::from_vec)),
        Err(Disagreement) => Err(Unknown::Key(disagreement())),
    }
}

/// The user's `authorized_keys`; one that is not there is empty.
fn files(variables: &Variables, home: Option<&OsStr>) -> Result<Vec<Vec<u8>>, Unknown> {
    // The user database may not answer at the moment; sshd has asked it, too.
    let Some(home) = home.or_else(|| get(variables, "HOME")) else {
        return Ok(Vec::new());
    };
    let read = |file: &str| {
        let path = Path::new(home).join(file);
        match small_file::read(&path, MOST) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            result => result.map_err(|error| Unknown::Unread(unread(&path, error))),
        }
    };
    FILES.into_iter().map(read).collect()
}

fn unread(path: &Path, error: io::Error) -> Error {
    Error::io("read", path.display(), error)
        .hint("it may say that only one command is to run with the key that was used")
}

fn hung_up(told: &Path, error: io::Error) -> Error {
    Error::io("read", told.display(), error).hint("sshd removes it when the connection ends")
}

fn odd(told: &Path, error: io::Error) -> Error {
    Error::io("read", told.display(), error)
        .hint("sshd says there which key was used, and some keys are good for one command only")
}

fn not_told() -> Error {
    Error::failed(
        "find out which key was used: sshd has not said it (SSH_USER_AUTH), and some keys or certificates may be good for \
         one command only",
    )
    .hint("sshd says it with `ExposeAuthInfo yes`, as long as there is room in /tmp")
}

fn disagreement() -> Error {
    Error::failed(
        "find out what is to run with the key that was used: ~/.ssh/authorized_keys has it with more than one command",
    )
    .hint("make another key for each command: which line sshd goes by (`from=`, for one) it does not say")
}

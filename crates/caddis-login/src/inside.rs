//! The second half: the first process of a session in an environment. It is the user's already, or container root, and
//! everything around it is theirs to change: nothing that it finds keeps it from starting a shell.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use caddis_client::error::Error;
use caddis_client::session::is_in_user_namespace;
use caddis_sys::inherited;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::getuid;

use crate::carry::{self, File};
use crate::execute;
use crate::handed::FIRST;
use crate::start::Start;
use crate::variables::{LOGIN_NAME, Variables, get};

/// What this half is called with.
pub const OPTION: &str = "--inside";

/// Carries the files in and becomes the shell.
pub fn run(words: &[OsString]) -> Result<Infallible, Error> {
    if !is_in_user_namespace() {
        return Err(Error::failed(
            "start the inner half of a login: this is no environment",
        ));
    }
    let words = Words::read(words).ok_or_else(|| {
        Error::failed("understand the outer half of this login: it speaks another language").hint(
            "programs of different versions of Caddis are installed; install all of them again",
        )
    })?;
    let mut variables: Variables = std::env::vars_os().collect();
    let count = u8::try_from(words.files.len() + 1).unwrap_or(u8::MAX);
    match inherited(FIRST, count) {
        Ok(descriptors) => {
            for descriptor in &descriptors {
                let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
            }
            let files = words.files.into_iter().zip(descriptors.into_iter().skip(1));
            let files = files.map(|((variable, path), descriptor)| File {
                variable,
                path,
                descriptor,
            });
            carry::all(files, &mut variables, words.start.is_interactive());
        }
        Err((number, errno)) => {
            Error::io("take over", format!("descriptor {number}"), errno).report(0);
        }
    }
    let own =
        execute::account(get(&variables, LOGIN_NAME)).map(|account| PathBuf::from(account.shell));
    // What the host says of the user's shell is no word about container root's.
    let skipped = usize::from(getuid().is_root()).min(words.shells.len().saturating_sub(1));
    let shells = own
        .into_iter()
        .chain(words.shells.into_iter().skip(skipped));
    execute::start(words.start, shells, variables)
}

/// What the outer half says: `[--file VARIABLE PATH]… [--shell PATH]… -- START…`.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    files: Vec<(OsString, PathBuf)>,
    shells: Vec<PathBuf>,
    start: Start,
}

impl Words {
    fn read(mut words: &[OsString]) -> Option<Self> {
        let (mut files, mut shells) = (Vec::new(), Vec::new());
        loop {
            words = match words {
                [option, name, path, rest @ ..] if option == "--file" => {
                    files.push((name.clone(), path.into()));
                    rest
                }
                [option, path, rest @ ..] if option == "--shell" => {
                    shells.push(path.into());
                    rest
                }
                [option, rest @ ..] if option == "--" => {
                    let start = Start::from_words(rest)?;
                    return Some(Self {
                        files,
                        shells,
                        start,
                    });
                }
                _ => return None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Option<Words> {
        Words::read(&words.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_outer_half_is_understood() {
        let words =
            read("--file SSH_AUTH_SOCK /tmp/a --shell /bin/zsh --shell /bin/bash -- shell -c x");
        assert_eq!(
            words.unwrap(),
            Words {
                files: vec![("SSH_AUTH_SOCK".into(), "/tmp/a".into())],
                shells: vec!["/bin/zsh".into(), "/bin/bash".into()],
                start: Start::command("x"),
            }
        );
        for other in ["", "--", "--file a", "--shell", "-- x", "login-shell"] {
            assert_eq!(read(other), None);
        }
    }
}

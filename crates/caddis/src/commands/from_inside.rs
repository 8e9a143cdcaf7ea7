//! A command that was given inside an environment means that one, and paths in it from where it was given.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use caddis_client::outside::FROM_INSIDE;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::cli::Command;
use crate::error::Error;

/// Where it was given.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    environment: OsString,
    /// Empty: the working directory is gone.
    directory: PathBuf,
}

impl Place {
    /// Takes it out of the arguments, where the attendant of a login has put it before the command. It is no part of the
    /// grammar, and nobody's to type.
    pub fn take(arguments: &mut Vec<OsString>) -> Option<Self> {
        let [_, option, environment, directory, ..] = arguments.as_slice() else {
            return None;
        };
        if option != FROM_INSIDE {
            return None;
        }
        let place = Self {
            environment: environment.clone(),
            directory: directory.into(),
        };
        arguments.drain(1..4);
        Some(place)
    }

    /// Fills in what a command leaves open. From here on it ends with the attendant, should that be killed: nobody would
    /// wait for it any more, and what is typed is for the shell inside, not for a question of ours.
    pub fn complete(self, command: &mut Command) -> Result<(), Error> {
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
        match command {
            Command::Status(command) => self.fill(&mut command.target.env),
            Command::Diff(command) => {
                self.begin(&mut command.paths)?;
                self.fill(&mut command.target.env);
            }
            Command::Revert(command) => {
                self.begin(&mut command.paths)?;
                self.fill(&mut command.env);
            }
            Command::Config(command) => command.here = Some(self.environment),
            Command::Stop(command) if !command.all => self.fill(&mut command.env),
            // These are about all of them, or about those that are named.
            _ => {}
        }
        Ok(())
    }

    fn fill(self, environment: &mut Option<OsString>) {
        environment.get_or_insert(self.environment);
    }

    /// Relative paths are not the host's.
    fn begin(&self, paths: &mut [OsString]) -> Result<(), Error> {
        let relative = |path: &&mut OsString| !path.is_empty() && Path::new(path).is_relative();
        for path in paths.iter_mut().filter(relative) {
            if !self.directory.is_absolute() {
                return Err(Error::failed(
                    "find the working directory inside: it was removed, or cannot be reached",
                ));
            }
            *path = self.directory.join(&path).into_os_string();
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::cli::parse;

    fn read(directory: &str, words: &[&str]) -> Result<Command, Error> {
        let mut arguments: Vec<OsString> = ["caddis", FROM_INSIDE, "here", directory]
            .iter()
            .chain(words)
            .map(Into::into)
            .collect();
        let place = Place::take(&mut arguments).unwrap();
        assert_eq!(arguments.len(), words.len() + 1);
        let mut command = parse(&arguments).unwrap().command;
        place.complete(&mut command).map(|()| command)
    }

    #[test]
    fn the_environment_and_the_directory_are_those_inside() {
        let Ok(Command::Diff(diff)) = read("/a b", &["diff", "x", "/y", ".."]) else {
            panic!()
        };
        assert_eq!(diff.target.env, Some("here".into()));
        assert_eq!(diff.paths, ["/a b/x", "/y", "/a b/.."]);
        let Ok(Command::Revert(revert)) = read("/", &["revert", "-e", "other", "", "x"]) else {
            panic!()
        };
        assert_eq!(revert.env, Some("other".into()));
        assert_eq!(revert.paths, ["", "/x"], "an empty path stays a mistake");
        let Ok(Command::Stop(stop)) = read("/", &["stop", "--all"]) else {
            panic!()
        };
        assert_eq!(stop.env, None);
    }

    #[test]
    fn a_directory_that_is_gone_is_not_the_hosts() {
        assert!(read("", &["revert", "x"]).is_err());
        assert!(read("", &["revert", "/x"]).is_ok());
    }

    #[test]
    fn nothing_else_is_taken() {
        for words in [
            &["caddis", "diff", FROM_INSIDE, "a", "b"][..],
            &["caddis", FROM_INSIDE, "a"],
            &["caddis", "--from", "a", "b"],
        ] {
            let mut arguments: Vec<OsString> = words.iter().map(Into::into).collect();
            assert_eq!(Place::take(&mut arguments), None);
            assert_eq!(arguments, words);
        }
    }
}

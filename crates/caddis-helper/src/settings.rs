//! Settings, a line `KEY=VALUE` each in a file of root's: an environment's (`config` in its directory) and a user's own
//! (beside their environments, by a name that no environment can have).

use crate::answer::Answer;
use crate::arguments::Setting;
use crate::output::quoted;
use caddis_policy::Preferred;
use caddis_view::Error;
use caddis_view::error::Context;
use caddis_view::replace::replace;
use rustix::fs::{
    Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT, fstat, futimens, openat,
};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::OwnedFd;

/// A key, what its value may be, and whether one is that.
struct Key {
    name: &'static str,
    allowed: &'static str,
    good: fn(&str) -> bool,
}

/// Which settings there are in one place.
pub(crate) struct Kind {
    file: &'static str,
    keys: &'static [Key],
}

/// Those of an environment.
pub(crate) const OF_ENVIRONMENT: Kind = Kind {
    file: "config",
    keys: &[
        Key {
            name: "hostname",
            allowed: "a host name: letters, digits, - and ., 64 bytes at most",
            good: is_host_name,
        },
        Key {
            name: "login",
            allowed: "user or root",
            good: |value| ["user", "root"].contains(&value),
        },
    ],
};

/// A user's own.
pub(crate) const OF_USER: Kind = Kind {
    file: ".config",
    keys: &[Key {
        name: "default",
        allowed: "the name of an environment, or @last",
        good: |value| Preferred::parse(value).is_ok(),
    }],
};

fn is_host_name(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=64).contains(&value.len())
        && value.bytes().all(plain)
        && value
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

impl Kind {
    fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known.name == key)
    }

    fn check(&self, key: &str, value: &str) -> Result<(), Error> {
        let Some(known) = self.keys.iter().find(|known| known.name == key) else {
            let known: Vec<&str> = self.keys.iter().map(|key| key.name).collect();
            let reason = format!("there is no such key; there are {}", known.join(" and "));
            return Err(Error::refused("set", quoted(key), reason));
        };
        if (known.good)(value) {
            return Ok(());
        }
        let reason = format!("{} is not {}", quoted(value), known.allowed);
        Err(Error::refused("set", key, reason))
    }

    /// What is wrong in a file is left out: it is no reason not to start.
    fn parse(&self, text: &str) -> Settings {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Settings(
            pairs
                .filter(|(key, value)| self.check(key, value).is_ok())
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// Refuses a change that is not allowed.
    pub(crate) fn allow(&self, setting: &Setting) -> Result<(), Error> {
        match setting {
            Setting::Change(key, value) if !(value.is_empty() && self.has(key)) => {
                self.check(key, value)
            }
            _ => Ok(()),
        }
    }

    /// Those in `directory`, which is that of `whom`; without it, or a file in it, there are none.
    pub(crate) fn read(&self, directory: Option<&OwnedFd>, whom: &str) -> Result<Settings, Error> {
        let Some(directory) = directory else {
            return Ok(Settings::default());
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(directory, self.file, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(Settings::default()),
            Err(errno) => return Err(errno).doing("open the settings of", || whom),
        };
        let mut text = String::new();
        std::fs::File::from(file)
            .read_to_string(&mut text)
            .map_err(|error| Error::refused("read the settings of", whom, error))?;
        Ok(self.parse(&text))
    }

    /// Shows or changes them.
    pub(crate) fn answer(
        &self,
        directory: Option<&OwnedFd>,
        whom: &str,
        setting: &Setting,
    ) -> Result<Answer, Error> {
        let mut answer = Answer::default();
        let mut settings = self.read(directory, whom)?;
        match setting {
            Setting::ShowAll => {
                for (key, value) in &settings.0 {
                    answer.line(format!("{key}={value}"));
                }
            }
            Setting::Show(key) => match settings.0.get(key) {
                Some(value) => answer.line(value),
                None if self.has(key) => return Ok(Answer::status(1)),
                None => return self.check(key, "").map(|()| Answer::status(1)),
            },
            Setting::Change(key, value) => {
                self.allow(setting)?;
                if value.is_empty() {
                    settings.0.remove(key);
                } else {
                    settings.0.insert(key.clone(), value.clone());
                }
                let none = || Error::kernel("open the settings of", whom, Errno::NOENT);
                let directory = directory.ok_or_else(none)?;
                self.write(directory, whom, &settings)?;
            }
        }
        Ok(answer)
    }

    /// How its temporary names begin.
    fn unfinished(&self) -> String {
        format!("{}.new.", self.file)
    }

    /// All or nothing: a full disk or a killed helper leaves the former settings. Of several at the same time the last
    /// one counts, and whoever reads meanwhile finds one of them.
    fn write(&self, directory: &OwnedFd, whom: &str, settings: &Settings) -> Result<(), Error> {
        let lines = settings
            .0
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"));
        let text: String = lines.collect();
        let before = fstat(directory).doing("stat the directory of", || whom)?;
        let (prefix, flags) = (self.unfinished(), RenameFlags::empty());
        replace(directory, &prefix, self.file, text.as_bytes(), flags).map_err(|error| {
            error
                .with_operation("write the settings of")
                .with_object(whom)
        })?;
        // The time of an environment's directory says when it was used, and this is no use.
        let used = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: before.st_mtime,
                tv_nsec: i64::try_from(before.st_mtime_nsec).unwrap_or(0),
            },
        };
        let _ = futimens(directory, &used);
        Ok(())
    }
}

/// What is set.
#[derive(Debug, Default)]
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    pub(crate) fn hostname(&self) -> Option<&str> {
        self.0.get("hostname").map(String::as_str)
    }

    pub(crate) fn login_as_root(&self) -> bool {
        self.0.get("login").is_some_and(|value| value == "root")
    }

    /// The environment that is meant where none is named.
    pub(crate) fn preferred(&self) -> Option<Preferred> {
        Preferred::parse(self.0.get("default")?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_set() {
        let check = |key: &str, value: &str| OF_ENVIRONMENT.check(key, value);
        assert!(check("login", "root").is_ok());
        assert!(check("login", "bob").is_err());
        assert!(check("hostname", "a-1.b").is_ok());
        for bad in ["", "-a", "a..b", "a b", "a\n", &"a".repeat(65)] {
            assert!(check("hostname", bad).is_err(), "{bad:?}");
        }
        assert!(check("colour", "red").is_err());
        assert!(check("default", "project").is_err());
        for (value, good) in [
            ("a.b", true),
            ("@last", true),
            ("@first", false),
            ("", false),
            ("../x", false),
        ] {
            assert_eq!(OF_USER.check("default", value).is_ok(), good, "{value:?}");
        }
    }

    #[test]
    fn a_broken_file_is_no_reason_not_to_start() {
        let settings = OF_ENVIRONMENT.parse("hostname=x\nlogin=bob\nrubbish\n");
        assert_eq!(settings.hostname(), Some("x"));
        assert!(!settings.login_as_root());
        assert_eq!(OF_USER.parse("default=..\n").preferred(), None);
    }
}

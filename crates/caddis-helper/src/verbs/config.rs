//! `config`: an environment's settings, a line `KEY=VALUE` each in its file `config`.

use crate::arguments::Setting;
use crate::caller::Whom;
use crate::output;
use caddis_policy::{EnvName, Policy};
use caddis_view::Error;
use caddis_view::error::Context;
use caddis_view::store::{Environments, missing};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

const FILE: &str = "config";
const UNFINISHED: &str = "config.new";

/// What each key may be set to.
const KEYS: [(&str, &str); 2] = [
    (
        "hostname",
        "a host name: letters, digits, - and ., 64 bytes at most",
    ),
    ("login", "user or root"),
];

/// An environment's settings.
#[derive(Debug, Default)]
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    fn parse(text: &str) -> Settings {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Settings(
            pairs
                .filter(|(key, value)| check(key, value).is_ok())
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    pub(crate) fn hostname(&self) -> Option<&str> {
        self.0.get("hostname").map(String::as_str)
    }

    pub(crate) fn login_as_root(&self) -> bool {
        self.0.get("login").is_some_and(|value| value == "root")
    }
}

fn check(key: &str, value: &str) -> Result<(), Error> {
    let Some((_, allowed)) = KEYS.iter().find(|(known, _)| *known == key) else {
        let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        let reason = format!("there is no such key; there are {}", known.join(" and "));
        return Err(Error::refused("set", output::quoted(key), reason));
    };
    let good = match key {
        "login" => ["user", "root"].contains(&value),
        _ => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            (1..=64).contains(&value.len())
                && value.bytes().all(plain)
                && value.split('.').all(|label| {
                    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
                })
        }
    };
    if good {
        Ok(())
    } else {
        let reason = format!("{} is not {allowed}", output::quoted(value));
        Err(Error::refused("set", key, reason))
    }
}

/// The settings of an environment; without a file there are none.
pub(crate) fn read_settings(
    environments: &Environments,
    name: &EnvName,
) -> Result<Settings, Error> {
    let directory = environments.open(name)?.ok_or_else(|| missing(name))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(&directory, FILE, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Settings::default()),
        Err(errno) => return Err(errno).doing("open the settings of", || name),
    };
    let mut text = String::new();
    std::fs::File::from(file)
        .read_to_string(&mut text)
        .map_err(|error| Error::refused("read the settings of", name, error))?;
    Ok(Settings::parse(&text))
}

pub(crate) fn run(
    policy: &Policy,
    whom: &Whom,
    name: &EnvName,
    setting: &Setting,
) -> Result<u8, Error> {
    let uid = whom.uid(policy)?;
    let environments =
        Environments::of(&policy.storage.state, uid, false)?.ok_or_else(|| missing(name))?;
    let mut settings = read_settings(&environments, name)?;
    match setting {
        Setting::ShowAll => {
            for (key, value) in &settings.0 {
                output::plain(&format!("{key}={value}"));
            }
        }
        Setting::Show(key) => match settings.0.get(key) {
            Some(value) => output::plain(value),
            None if KEYS.iter().any(|(known, _)| known == key) => return Ok(1),
            None => return check(key, "").map(|()| 1),
        },
        Setting::Change(key, value) => {
            if value.is_empty() && KEYS.iter().any(|(known, _)| known == key) {
                settings.0.remove(key);
            } else {
                check(key, value)?;
                settings.0.insert(key.clone(), value.clone());
            }
            write(&environments, name, &settings)?;
        }
    }
    Ok(0)
}

/// All or nothing: a full disk or a killed helper leaves the former settings.
fn write(environments: &Environments, name: &EnvName, settings: &Settings) -> Result<(), Error> {
    let directory = environments.open(name)?.ok_or_else(|| missing(name))?;
    let text: String = settings
        .0
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&directory, UNFINISHED, flags, Mode::RUSR | Mode::WUSR)
        .doing("create the settings of", || name)?;
    let mut file = std::fs::File::from(file);
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = unlinkat(&directory, UNFINISHED, AtFlags::empty());
        return Err(Error::refused("write the settings of", name, error));
    }
    renameat(&directory, UNFINISHED, &directory, FILE).doing("write the settings of", || name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_set() {
        assert!(check("login", "root").is_ok());
        assert!(check("login", "bob").is_err());
        assert!(check("hostname", "a-1.b").is_ok());
        for bad in ["", "-a", "a..b", "a b", "a\n", &"a".repeat(65)] {
            assert!(check("hostname", bad).is_err(), "{bad:?}");
        }
        assert!(check("colour", "red").is_err());
    }

    #[test]
    fn a_broken_file_is_no_reason_not_to_start() {
        let settings = Settings::parse("hostname=x\nlogin=bob\nrubbish\n");
        assert_eq!(settings.hostname(), Some("x"));
        assert!(!settings.login_as_root());
    }
}

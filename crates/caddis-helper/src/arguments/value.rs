//! The single words: names, paths, users, numbers. Each is valid once it has been read.

use super::request::{Role, Setting, Target};
use crate::files::MOST;
use crate::output::quoted;
use caddis_policy::EnvName;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, PathBuf};

/// Why a request could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError(String);

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn wrong(message: impl Into<String>) -> ArgumentError {
    ArgumentError(message.into())
}

/// What `--as` says.
pub(super) fn role(value: &str) -> Result<Role, ArgumentError> {
    match value {
        "user" => Ok(Role::User),
        "root" => Ok(Role::Root),
        "login" => Ok(Role::Login),
        other => Err(wrong(format!(
            "--as {}: user, root or login",
            quoted(other)
        ))),
    }
}

/// A number of `what`.
pub(super) fn number(option: &str, what: &str, value: OsString) -> Result<u64, ArgumentError> {
    let number = text(value)?.parse();
    number.map_err(|_| wrong(format!("{option}: a number of {what} is wanted")))
}

/// How many descriptors are handed on.
pub(super) fn files(value: OsString) -> Result<u8, ArgumentError> {
    let number = number("--files", "descriptors", value)?;
    let few = u8::try_from(number).ok().filter(|few| *few <= MOST);
    few.ok_or_else(|| wrong(format!("--files {number}: {MOST} at most")))
}

/// `KEY` or `KEY=VALUE`.
pub(super) fn setting(operand: OsString) -> Result<Setting, ArgumentError> {
    let operand = text(operand)?;
    Ok(match operand.split_once('=') {
        Some((key, value)) => Setting::Change(key.to_owned(), value.to_owned()),
        None => Setting::Show(operand),
    })
}

/// `UID:GID[,GID…]`.
pub(super) fn target(value: &str) -> Result<Target, ArgumentError> {
    let bad = || {
        wrong(format!(
            "--for {}: UID:GID[,GID...] is wanted",
            quoted(value)
        ))
    };
    let (uid, gids) = value.split_once(':').ok_or_else(bad)?;
    let uid = uid.parse().map_err(|_| bad())?;
    let gids: Vec<u32> = gids
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| bad())?;
    // The kernel takes -1 for "leave as it is", which must not reach setresuid.
    if uid == u32::MAX || gids.contains(&u32::MAX) {
        Err(bad())
    } else {
        Ok(Target { uid, gids })
    }
}

pub(super) fn name(value: OsString) -> Result<EnvName, ArgumentError> {
    EnvName::parse(value.as_bytes())
        .map_err(|error| wrong(format!("environment name {}: {error}", quoted(&value))))
}

pub(super) fn path(option: &str, value: OsString) -> Result<PathBuf, ArgumentError> {
    if value.as_bytes().starts_with(b"/") && value.len() < 4096 {
        Ok(PathBuf::from(value))
    } else {
        Err(wrong(format!(
            "{option} {}: an absolute path of less than 4096 bytes is wanted",
            quoted(value)
        )))
    }
}

/// A path that names the way to a place, not back from it.
pub(super) fn plain_path(value: OsString) -> Result<PathBuf, ArgumentError> {
    let path = path("PATH", value)?;
    let plain = path
        .components()
        .all(|component| !matches!(component, Component::ParentDir));
    if plain {
        Ok(path)
    } else {
        Err(wrong(format!("PATH {}: it has \"..\" in it", quoted(path))))
    }
}

pub(super) fn text(value: OsString) -> Result<String, ArgumentError> {
    String::from_utf8(value.into_vec()).map_err(|error| {
        let value = quoted(OsStr::from_bytes(error.as_bytes()));
        wrong(format!("{value} is not UTF-8"))
    })
}

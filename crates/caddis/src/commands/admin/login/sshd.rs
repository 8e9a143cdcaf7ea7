//! Asking sshd what it makes of its configuration.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::{Command, Stdio};

use super::candidate::Candidate;
use crate::error::Error;
use caddis_client::text::shown;

/// The server. Never looked up in a search path.
pub const SSHD: &str = "/usr/sbin/sshd";

/// Which configuration is asked about.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// The one that is there.
    AsItIs,
    /// The one that would be.
    With(&'a Candidate),
}

/// Fails, with sshd's own words, if sshd would not start with it.
pub fn check(view: View<'_>) -> Result<(), Error> {
    ask(view, &["-t".as_ref()]).map(drop)
}

/// What holds before anybody has logged in.
pub fn settings(view: View<'_>) -> Result<Settings, Error> {
    Ok(Settings::parse(&ask(view, &["-T".as_ref()])?))
}

/// What holds for a user who comes from this host. A Match block may ask for any of these.
pub fn settings_for(view: View<'_>, user: &str) -> Result<Settings, Error> {
    let connection = format!("user={user},host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22");
    let arguments = ["-T".as_ref(), "-C".as_ref(), connection.as_ref()];
    Ok(Settings::parse(&ask(view, &arguments)?))
}

fn ask(view: View<'_>, arguments: &[&OsStr]) -> Result<String, Error> {
    let mut command = match view {
        View::AsItIs => Command::new(SSHD),
        View::With(candidate) => candidate.command(SSHD),
    };
    let output = command
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::io("run", SSHD, error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = said(&output.stderr);
    let what = match view {
        View::AsItIs => "as it is",
        View::With(_) => "as it would be",
    };
    let error = Error::failed(format!("check sshd's configuration, {what}: {words}"));
    Err(
        match words.contains("Missing privilege separation directory") {
            true => error.hint(
                "sshd's start script makes that directory: start sshd, or `mkdir -m 755 /run/sshd`",
            ),
            false => error,
        },
    )
}

/// sshd's lines as one.
fn said(stderr: &[u8]) -> String {
    let lines = stderr
        .split(|byte| *byte == b'\n')
        .map(|line| shown(line.trim_ascii()));
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    match lines.is_empty() {
        true => "it does not say why it failed".to_owned(),
        false => lines.join("; "),
    }
}

/// What `sshd -T` prints: a keyword and its value in each line, some keywords more than once.
#[derive(Debug, Default)]
pub struct Settings(BTreeMap<String, Vec<String>>);

impl Settings {
    /// Reads it.
    pub fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            settings
                .0
                .entry(key.to_owned())
                .or_default()
                .push(value.to_owned());
        }
        settings
    }

    /// A keyword's value; nothing if it is `none`, which is what sshd prints for what is not set.
    pub fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.first()?;
        (value != "none").then_some(value)
    }

    /// The values of a keyword that may be given several times.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// Whether a keyword that may be given several times has that value.
    pub fn has(&self, key: &str, value: &str) -> bool {
        self.all(key).any(|found| found == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_settings() {
        let settings = Settings::parse(
            "port 22\nforcecommand /a b\nchrootdirectory none\nacceptenv LANG\nacceptenv X\nodd\n",
        );
        assert_eq!(settings.get("forcecommand"), Some("/a b"));
        assert_eq!(settings.get("chrootdirectory"), None);
        assert_eq!(settings.get("nothing"), None);
        assert!(settings.has("acceptenv", "X") && !settings.has("acceptenv", "Y"));
    }

    #[test]
    fn words_are_one_line_and_harmless() {
        assert_eq!(said(b"a\r\n\x1b[31mb\n\n"), "a; \\e[31mb");
        assert_eq!(said(b"\n"), "it does not say why it failed");
    }
}

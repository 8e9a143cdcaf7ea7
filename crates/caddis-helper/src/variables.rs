//! The command's environment variables. They come with `+` before each name, so that none of them
//! means anything to this program's C library, and go on without it.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A list of variables, each name once.
#[derive(Debug, Default)]
pub(crate) struct Variables(Vec<(OsString, OsString)>);

impl Variables {
    /// Those that the caller has sent.
    pub(crate) fn from_caller() -> Variables {
        let sent = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.as_bytes().strip_prefix(b"+")?;
            (!name.is_empty()).then(|| (OsStr::from_bytes(name).to_owned(), value))
        });
        Variables(sent.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, value)| value.as_os_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.retain(|(one, _)| one != name);
        self.0.push((name.into(), value.into()));
    }

    /// What tells the command where it is; Debian's shells show `debian_chroot` in their prompt.
    pub(crate) fn mark(&mut self, environment: &str) {
        self.set("CADDIS_ENV", environment);
        self.set("debian_chroot", environment);
    }

    /// What su(1) and sudo(8) set for root. The caller's `PATH` stays in front.
    pub(crate) fn become_root(&mut self) {
        self.set("HOME", "/root");
        self.set("USER", "root");
        self.set("LOGNAME", "root");
        self.set("SHELL", "/bin/bash");
        self.set("MAIL", "/var/mail/root");
        let mut path = self.get("PATH").unwrap_or_default().to_owned();
        for directory in SYSTEM_PATH.split(':') {
            let there = path.as_bytes().split(|byte| *byte == b':');
            if !there.into_iter().any(|one| one == directory.as_bytes()) {
                if !path.is_empty() {
                    path.push(":");
                }
                path.push(directory);
            }
        }
        self.set("PATH", path);
    }

    /// As execve(2) takes them.
    pub(crate) fn into_strings(self) -> Vec<CString> {
        let joined = self
            .0
            .into_iter()
            .map(|(name, value)| [name, value].join(OsStr::new("=")));
        joined
            .filter_map(|variable| CString::new(variable.into_vec()).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_finds_the_system_programs_after_its_own() {
        let mut variables = Variables::default();
        variables.set("PATH", "/opt/bin:/usr/bin");
        variables.become_root();
        let path = variables
            .get("PATH")
            .unwrap_or_default()
            .to_str()
            .unwrap_or_default();
        assert!(path.starts_with("/opt/bin:/usr/bin:"));
        assert_eq!(path.split(':').filter(|one| *one == "/usr/bin").count(), 1);
        assert!(path.split(':').any(|one| one == "/usr/sbin"));
    }
}

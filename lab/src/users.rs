//! The host's own users, looked up in its own files.

use crate::error::{LabError, Result};
use crate::host::Host;

/// A line of the host's `/etc/passwd`.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
    pub(crate) shell: String,
}

impl User {
    pub(crate) fn find(host: &Host, name: &str) -> Result<User> {
        let table = host.read_text("/etc/passwd");
        table
            .lines()
            .filter_map(User::parse)
            .find(|user| user.name == name)
            .ok_or_else(|| {
                LabError(format!(
                    "look up the user {name}: the host's /etc/passwd does not have it"
                ))
            })
    }

    fn parse(line: &str) -> Option<User> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields.as_slice() else {
            return None;
        };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        Some(User {
            name: (*name).into(),
            uid,
            gid,
            home: (*home).into(),
            shell: (*shell).into(),
        })
    }

    /// What Debian's login gives as `PATH`.
    pub(crate) fn path(&self) -> &'static str {
        match self.uid {
            0 => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            _ => "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
        }
    }
}

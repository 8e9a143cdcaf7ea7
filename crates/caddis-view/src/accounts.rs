//! The host's accounts, as far as everybody may know them.

use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// The accounts of the host's `/etc/passwd` and `/etc/group`, which everybody can read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    users: Vec<String>,
    groups: Vec<(String, String)>,
    groups_with_ordinary_members: BTreeSet<u32>,
    first_ordinary: u32,
}

impl Accounts {
    /// Reads them. Users from `min_uid` on are ordinary ones.
    pub(crate) fn read(min_uid: u32) -> Result<Accounts> {
        let read = |path: &str| {
            std::fs::read_to_string(path).map_err(|error| Error::refused("read", path, error))
        };
        Ok(Accounts::parse(
            &read("/etc/passwd")?,
            &read("/etc/group")?,
            min_uid,
        ))
    }

    fn parse(passwd: &str, group: &str, min_uid: u32) -> Accounts {
        let mut accounts = Accounts {
            first_ordinary: min_uid,
            ..Accounts::default()
        };
        let mut ordinary = BTreeSet::new();
        for line in passwd.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, ..] = fields.as_slice() else {
                continue;
            };
            accounts.users.push((*name).to_owned());
            if uid.parse().is_ok_and(|uid| accounts.is_ordinary(uid)) {
                ordinary.insert(*name);
                accounts
                    .groups_with_ordinary_members
                    .extend(gid.parse::<u32>());
            }
        }
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields.as_slice() else {
                continue;
            };
            accounts
                .groups
                .push(((*name).to_owned(), (*members).to_owned()));
            if members.split(',').any(|member| ordinary.contains(member)) {
                accounts
                    .groups_with_ordinary_members
                    .extend(gid.parse::<u32>());
            }
        }
        accounts
    }

    /// Not root and not a daemon; `nobody` is no user either.
    pub(crate) fn is_ordinary(&self, uid: u32) -> bool {
        uid >= self.first_ordinary && uid != 65534
    }

    /// Groups from a directory service are not in the file; their numbers are those of users.
    pub(crate) fn group_has_ordinary_members(&self, gid: u32) -> bool {
        self.is_ordinary(gid) || self.groups_with_ordinary_members.contains(&gid)
    }

    /// Groups of the system's own that count because of who is in them.
    pub(crate) fn system_groups_with_ordinary_members(&self) -> Vec<u32> {
        let all = self.groups_with_ordinary_members.iter().copied();
        all.filter(|gid| !self.is_ordinary(*gid)).collect()
    }

    /// An `/etc/shadow` with every password locked.
    pub(crate) fn shadow(&self) -> String {
        self.users
            .iter()
            .map(|user| format!("{user}:*:19000:0:99999:7:::\n"))
            .collect()
    }

    /// An `/etc/gshadow` with every password locked.
    pub(crate) fn gshadow(&self) -> String {
        self.groups
            .iter()
            .map(|(group, members)| format!("{group}:*::{members}\n"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nbroken\n";
    const GROUP: &str = "root:x:0:\nadm:x:4:alice\nmail:x:8:root\nalice:x:1000:\n";

    #[test]
    fn every_password_is_locked() {
        let accounts = Accounts::parse(PASSWD, GROUP, 1000);
        assert_eq!(accounts.shadow().lines().count(), 3);
        assert!(
            accounts
                .shadow()
                .lines()
                .all(|line| line.split(':').nth(1) == Some("*"))
        );
        assert!(accounts.gshadow().contains("adm:*::alice\n"));
    }

    #[test]
    fn a_group_counts_when_an_ordinary_user_is_in_it() {
        let accounts = Accounts::parse(PASSWD, GROUP, 1000);
        assert!(accounts.group_has_ordinary_members(4));
        assert!(accounts.group_has_ordinary_members(1000));
        assert!(accounts.group_has_ordinary_members(70000));
        assert!(!accounts.group_has_ordinary_members(0));
        assert!(!accounts.group_has_ordinary_members(8));
        assert!(!accounts.is_ordinary(65534));
    }
}

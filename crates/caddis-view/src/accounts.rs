//! The host's accounts, as far as everybody may know them.

use crate::error::{Error, Result};
use caddis_policy::accounts;
use std::collections::BTreeSet;
use std::io::ErrorKind;

/// The accounts of the host's `/etc/passwd` and `/etc/group`, which everybody can read. Names are
/// bytes: users have a say in the lines of `/etc/passwd`, and one line must fail nobody else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    users: Vec<Vec<u8>>,
    groups: Vec<(Vec<u8>, Vec<u8>)>,
    groups_with_ordinary_members: BTreeSet<u32>,
    first_ordinary: u32,
}

impl Accounts {
    /// Reads them. Users from `min_uid` on are ordinary ones.
    pub(crate) fn read(min_uid: u32) -> Result<Accounts> {
        let read = |path| match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            other => other.map_err(|error| Error::refused("read", path, error)),
        };
        Ok(Accounts::parse(
            &read("/etc/passwd")?,
            &read("/etc/group")?,
            min_uid,
        ))
    }

    fn parse(passwd: &[u8], group: &[u8], min_uid: u32) -> Accounts {
        let mut accounts = Accounts {
            first_ordinary: min_uid,
            ..Accounts::default()
        };
        let mut ordinary = BTreeSet::new();
        for user in accounts::users(passwd) {
            accounts.users.push(user.name.to_owned());
            if accounts.is_ordinary(user.uid) {
                ordinary.insert(user.name);
                accounts.groups_with_ordinary_members.insert(user.gid);
            }
        }
        for group in accounts::groups(group) {
            let line = (group.name.to_owned(), group.members.to_owned());
            accounts.groups.push(line);
            if group.members().any(|member| ordinary.contains(member)) {
                accounts.groups_with_ordinary_members.insert(group.gid);
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
    pub(crate) fn shadow(&self) -> Vec<u8> {
        let line = |user: &Vec<u8>| [user, &b":*:19000:0:99999:7:::\n"[..]].concat();
        self.users.iter().flat_map(line).collect()
    }

    /// An `/etc/gshadow` with every password locked.
    pub(crate) fn gshadow(&self) -> Vec<u8> {
        let line = |(group, members): &(Vec<u8>, Vec<u8>)| {
            [group, &b":*::"[..], members, &b"\n"[..]].concat()
        };
        self.groups.iter().flat_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:\xe9:/home/alice:/bin/sh\n\
        d\xe9:x:1001:7::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nbroken\n";
    const GROUP: &[u8] = b"root:x:0:\nadm:x:4:alice\nmail:x:8:root\nalice:x:1000:\nd:x:9:d\xe9\n";

    #[test]
    fn every_password_is_locked_and_names_are_bytes() {
        let accounts = Accounts::parse(PASSWD, GROUP, 1000);
        let shadow = accounts.shadow();
        let lines: Vec<&[u8]> = shadow.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2], b"d\xe9:*:19000:0:99999:7:::\n");
        for line in lines {
            assert_eq!(line.split(|byte| *byte == b':').nth(1), Some(&b"*"[..]));
        }
        let gshadow = accounts.gshadow();
        assert!(gshadow.starts_with(b"root:*::\nadm:*::alice\n"));
        assert!(gshadow.ends_with(b"d:*::d\xe9\n"));
    }

    #[test]
    fn a_group_counts_when_an_ordinary_user_is_in_it() {
        let accounts = Accounts::parse(PASSWD, GROUP, 1000);
        assert!(accounts.group_has_ordinary_members(4));
        assert!(accounts.group_has_ordinary_members(7));
        assert!(accounts.group_has_ordinary_members(9));
        assert!(accounts.group_has_ordinary_members(1000));
        assert!(accounts.group_has_ordinary_members(70000));
        assert!(!accounts.group_has_ordinary_members(0));
        assert!(!accounts.group_has_ordinary_members(8));
        assert!(!accounts.is_ordinary(65534));
    }
}

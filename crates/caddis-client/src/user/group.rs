//! Groups: which ones a user is in, and what they are called.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use caddis_policy::accounts::{GroupLine, groups};

use super::account::{Account, number, read_if_there};
use super::getent::getent;
use super::switch::{group_names_are_local, groups_are_local};
use crate::error::Error;

/// The groups an account would have after a login, its own first.
pub fn groups_of(account: &Account) -> Result<Vec<u32>, Error> {
    let others = if groups_are_local(&read_if_there(Path::new("/etc/nsswitch.conf"))?) {
        members(&read_if_there(Path::new("/etc/group"))?, &account.name)
    } else {
        initgroups(&getent("initgroups", Some(&account.name))?, &account.name)
    };
    let mut groups = vec![account.gid];
    for gid in others {
        if !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    Ok(groups)
}

/// The names of groups.
#[derive(Debug)]
pub struct Names {
    local: Vec<u8>,
    all_local: bool,
}

impl Names {
    /// Reads the local files.
    pub fn read() -> Result<Self, Error> {
        Ok(Self {
            local: read_if_there(Path::new("/etc/group"))?,
            all_local: group_names_are_local(&read_if_there(Path::new("/etc/nsswitch.conf"))?),
        })
    }

    /// A group's name, if it has one. `getent` is started only for what may be known elsewhere.
    pub fn of(&self, gid: u32) -> Option<Vec<u8>> {
        let find = |text: &[u8]| {
            groups(text)
                .find(|group| group.gid == gid)
                .map(|group| group.name.to_vec())
        };
        find(&self.local).or_else(|| {
            let key = gid.to_string();
            (!self.all_local)
                .then(|| find(&getent("group", Some(OsStr::new(&key))).ok()?))
                .flatten()
        })
    }
}

/// A group's name, if it has one.
pub fn name_of(gid: u32) -> Option<Vec<u8>> {
    Names::read().ok()?.of(gid)
}

/// A group with those whom the database lists as its members; whose own group it is, it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// The users' names.
    pub members: Vec<OsString>,
}

/// The group of exactly that name, if there is one. The name service may find one by a number, or by another spelling.
pub fn by_name(name: &str) -> Result<Option<Group>, Error> {
    let local = read_if_there(Path::new("/etc/group"))?;
    if let Some(group) = named(&local, name) {
        return Ok(Some(group));
    }
    Ok(named(&getent("group", Some(OsStr::new(name)))?, name))
}

fn named(text: &[u8], name: &str) -> Option<Group> {
    let group = groups(text).find(|group| group.name == name.as_bytes())?;
    let members = group
        .members()
        .map(|name| OsString::from_vec(name.to_vec()));
    Some(Group {
        name: name.to_owned(),
        gid: group.gid,
        members: members.collect(),
    })
}

/// The groups in the format of `group(5)` that list the user.
fn members(text: &[u8], user: &OsStr) -> Vec<u32> {
    let listed = |group: &GroupLine<'_>| group.members().any(|name| name == user.as_bytes());
    groups(text).filter(listed).map(|group| group.gid).collect()
}

/// The groups in a line of `getent initgroups`: the name, padded, then numbers.
fn initgroups(text: &[u8], user: &OsStr) -> Vec<u32> {
    let numbers = text.strip_prefix(user.as_bytes()).unwrap_or_default();
    numbers
        .split(u8::is_ascii_whitespace)
        .filter_map(number)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn finds_memberships() {
        let text = b"root:x:0:\nsudo:x:27:bob,alice\nalices:x:28:alice2\nvideo:x:44:alice\nbad:x:y:alice\n";
        assert_eq!(members(text, OsStr::new("alice")), [27, 44]);
    }

    #[test]
    fn a_group_is_found_by_its_name_only() {
        let text = b"a:x:27:bob,,alice\n27:x:28:\n";
        let expected = Group {
            name: "a".into(),
            gid: 27,
            members: vec!["bob".into(), "alice".into()],
        };
        assert_eq!(named(text, "a"), Some(expected));
        assert_eq!(named(text, "27").unwrap().gid, 28);
        assert_eq!(named(text, "28"), None);
    }

    #[test]
    fn reads_initgroups() {
        assert_eq!(
            initgroups(b"alice                 27 44 100\n", OsStr::new("alice")),
            [27, 44, 100]
        );
        assert_eq!(initgroups(b"alice\n", OsStr::new("alice")), [0u32; 0]);
        assert_eq!(initgroups(b"1000 27\n", OsStr::new("1000")), [27]);
        assert_eq!(initgroups(b"", OsStr::new("alice")), [0u32; 0]);
    }

    #[test]
    fn an_account_is_in_its_own_group() {
        let root = Account::by_uid(0).unwrap().unwrap();
        assert_eq!(groups_of(&root).unwrap()[0], 0);
        assert_eq!(name_of(0).unwrap(), b"root");
    }
}

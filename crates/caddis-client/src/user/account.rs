//! Accounts: `/etc/passwd` first, then the name service.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use caddis_policy::accounts::{UserLine, users};

use super::getent::getent;
use crate::error::Error;

/// The local accounts.
const PASSWD: &str = "/etc/passwd";

/// What an account without a shell has (`passwd(5)`).
const DEFAULT_SHELL: &str = "/bin/sh";

/// One line of the user database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: OsString,
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// Empty if the database does not say.
    pub home: OsString,
    /// The login shell.
    pub shell: OsString,
}

impl From<UserLine<'_>> for Account {
    fn from(line: UserLine<'_>) -> Self {
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Self {
            name: text(line.name),
            uid: line.uid,
            gid: line.gid,
            home: text(line.home),
            shell: match line.shell {
                [] => DEFAULT_SHELL.into(),
                shell => text(shell),
            },
        }
    }
}

impl Account {
    /// The account of a user id, if there is one.
    pub fn by_uid(uid: u32) -> Result<Option<Self>, Error> {
        lookup(OsStr::new(&uid.to_string()), |account| account.uid == uid)
    }

    /// The account that has logged in. Several may have one number, each with a home and keys of its own; the session's
    /// variables say which it was.
    pub fn of_login(uid: u32, name: Option<&OsStr>) -> Result<Option<Self>, Error> {
        if let Some(name) = name {
            let is_it = |account: &Self| account.uid == uid && account.name == name;
            if let Some(account) = lookup(name, is_it)? {
                return Ok(Some(account));
            }
        }
        Self::by_uid(uid)
    }

    /// The account of that name or, as with `chown(1)`, of that number if no account has the name.
    pub fn by_name(name: &OsStr) -> Result<Option<Self>, Error> {
        let named = lookup(name, |account| account.name == name)?;
        match (named, number(name.as_bytes())) {
            (None, Some(uid)) => Self::by_uid(uid),
            (named, _) => Ok(named),
        }
    }

    /// The same, where it is an error if there is none; `operation` is what was wanted, as words before "user": "run for".
    pub fn existing(name: &OsStr, operation: &str) -> Result<Self, Error> {
        Self::by_name(name)?.ok_or_else(|| {
            Error::failed(format!(
                "{operation} user {}: there is no such user",
                name.display()
            ))
        })
    }
}

/// All the accounts that a text in the format of `passwd(5)` holds.
pub fn accounts(text: &[u8]) -> impl Iterator<Item = Account> {
    users(text).map(Account::from)
}

fn lookup(key: &OsStr, wanted: impl Fn(&Account) -> bool) -> Result<Option<Account>, Error> {
    let local = read_if_there(Path::new(PASSWD))?;
    if let Some(account) = accounts(&local).find(&wanted) {
        return Ok(Some(account));
    }
    Ok(accounts(&getent("passwd", Some(key))?).find(&wanted))
}

/// A file's content; nothing if there is no such file.
pub fn read_if_there(path: &Path) -> Result<Vec<u8>, Error> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", path.display(), error)),
        Ok(content) => Ok(content),
    }
}

/// A decimal number without sign or spaces.
pub fn number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"# local\nroot:x:0:0:root:/root:/bin/bash\n+::::::\nbad\nalice:x:1000:100:A \xe9:/home/alice:\n";

    #[test]
    fn reads_accounts_and_passes_over_the_rest() {
        let all: Vec<Account> = accounts(TEXT).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(
            (all[1].name.as_os_str(), all[1].uid, all[1].gid),
            (OsStr::new("alice"), 1000, 100)
        );
        assert_eq!(
            (all[1].home.as_os_str(), all[1].shell.as_os_str()),
            (OsStr::new("/home/alice"), OsStr::new("/bin/sh"))
        );
    }

    #[test]
    fn numbers_are_plain() {
        assert_eq!(number(b"1000"), Some(1000));
        for odd in [&b""[..], b"+1", b"-1", b" 1", b"1 ", b"4294967296", b"\xff"] {
            assert_eq!(number(odd), None);
        }
    }

    #[test]
    fn a_login_is_of_the_account_of_that_name_and_number() {
        let name = |uid, name: Option<&str>| {
            let account = Account::of_login(uid, name.map(OsStr::new)).unwrap();
            account.map(|account| account.name)
        };
        for said in [
            Some("root"),
            Some("no-such-user-anywhere"),
            Some("daemon"),
            None,
        ] {
            assert_eq!(name(0, said), Some("root".into()), "{said:?}");
        }
    }

    #[test]
    fn root_is_found_by_number_and_by_name() {
        assert_eq!(Account::by_uid(0).unwrap().unwrap().name, "root");
        assert_eq!(
            Account::by_name(OsStr::new("root")).unwrap().unwrap().uid,
            0
        );
        assert_eq!(
            Account::by_name(OsStr::new("0")).unwrap().unwrap().name,
            "root"
        );
        assert_eq!(
            Account::by_name(OsStr::new("no-such-user-anywhere")).unwrap(),
            None
        );
        assert_eq!(Account::by_name(OsStr::new("--help")).unwrap(), None);
    }
}

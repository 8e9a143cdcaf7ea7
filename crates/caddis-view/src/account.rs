//! The account that a user's environments belong to. A number is not enough: the next account gets
//! the number of a deleted one. So root notes the account's name beside the environments, and where
//! the account comes from.
//!
//! `/etc/passwd` decides about local accounts. For others, a name service is asked elsewhere (this
//! program is static), and the note keeps its answer.

use crate::error::{Context, Error, Result};
use crate::replace::replace;
use caddis_policy::accounts::users;
use rustix::fs::{Mode, OFlags, RenameFlags, fstat, openat};
use rustix::io::Errno;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file of the note. No environment's name begins with a dot.
pub(crate) const NOTE: &str = ".account";

/// How its temporary names begin.
pub(crate) const UNFINISHED: &str = ".account.";

const PASSWD: &str = "/etc/passwd";

/// Where an account comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is in `/etc/passwd`.
    Local,
    /// A name service has it.
    Service,
}

/// An account to which environments belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name: any bytes but NUL, newline and colon.
    pub name: Vec<u8>,
    /// Where it comes from.
    pub source: Source,
}

/// The note of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whose the environments are.
    pub account: Account,
    /// When that was last found to be so, in seconds since 1970.
    pub verified: u64,
}

impl Note {
    /// How many seconds ago that was. A clock that was put back proves nothing.
    #[must_use]
    pub fn age(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        now.checked_sub(self.verified).unwrap_or(u64::MAX)
    }

    /// Reads the note in the directory of a user's environments; `None`: there is none yet.
    pub fn read(directory: impl AsFd) -> Result<Option<Note>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match openat(directory, NOTE, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno).doing("open", || NOTE),
        };
        let verified = fstat(&file).doing("stat", || NOTE)?.st_mtime;
        let mut text = Vec::new();
        std::fs::File::from(file)
            .read_to_end(&mut text)
            .map_err(|error| Error::refused("read", NOTE, error))?;
        let account = Account::parse(&text).ok_or_else(|| {
            let reason = "it is damaged, so it is not known whose the environments beside it are";
            Error::refused("read", NOTE, reason)
                .hint("without it, they belong to the account that has the number now")
        })?;
        Ok(Some(Note {
            account,
            verified: u64::try_from(verified).unwrap_or(0),
        }))
    }
}

impl Account {
    fn parse(text: &[u8]) -> Option<Account> {
        let line = text.strip_suffix(b"\n")?;
        let (source, name) = match line.strip_prefix(b"local ") {
            Some(name) => (Source::Local, name),
            None => (Source::Service, line.strip_prefix(b"service ")?),
        };
        let whole = !name.is_empty() && !name.contains(&b'\n');
        whole.then(|| Account {
            name: name.to_owned(),
            source,
        })
    }

    /// Notes it in the directory of its environments, complete or not at all.
    pub fn note(&self, directory: impl AsFd) -> Result<()> {
        let source = match self.source {
            Source::Local => b"local ".as_slice(),
            Source::Service => b"service ",
        };
        let text = [source, &self.name, b"\n"].concat();
        replace(directory, UNFINISHED, NOTE, &text, RenameFlags::empty())
            .map_err(|error| error.with_operation("note whose the environments are in"))
    }
}

/// The names that `/etc/passwd` has for a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// These; none: the number is no local account's.
    Names(Vec<Vec<u8>>),
    /// The file cannot be read, or is not complete: somebody is writing it.
    Unknown,
}

impl Local {
    /// Looks the number up.
    #[must_use]
    pub fn of(uid: u32) -> Local {
        let Ok(file) = caddis_trust::open(Path::new(PASSWD)) else {
            return Local::Unknown;
        };
        let mut text = Vec::new();
        match std::fs::File::from(file).read_to_end(&mut text) {
            Ok(_) => Local::in_text(&text, uid),
            Err(_) => Local::Unknown,
        }
    }

    /// Looks the number up for somebody who wants to enter. A file that is being written is
    /// complete a moment later. After that, it is what a name service has said (see [`vouch`]).
    #[must_use]
    pub fn settled(uid: u32) -> Local {
        for _ in 0..TRIES {
            match Local::of(uid) {
                Local::Unknown => std::thread::sleep(PAUSE),
                found @ Local::Names(_) => return found,
            }
        }
        match VOUCHED.get() {
            Some((vouched, name)) if *vouched == uid => Local::Names(vec![name.clone()]),
            _ => Local::Unknown,
        }
    }

    fn in_text(text: &[u8], uid: u32) -> Local {
        let names = names_in(text, uid);
        // That a name is missing means something only if nothing else is.
        let complete = text.ends_with(b"\n") && users(text).any(|user| user.uid == 0);
        match names.is_empty() && !complete {
            true => Local::Unknown,
            false => Local::Names(names),
        }
    }
}

/// How often, and with which pause, a list of accounts is read that is not complete.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Whose environments this process may enter though the local files do not say who has the number.
static VOUCHED: OnceLock<(u32, Vec<u8>)> = OnceLock::new();

/// Notes, for this process, that a name service gives the number `uid` to the account `name`.
pub fn vouch(uid: u32, name: &[u8]) {
    let _ = VOUCHED.set((uid, name.to_owned()));
}

/// The names that a number has in lines such as those of passwd(5).
#[must_use]
pub fn names_in(text: &[u8], uid: u32) -> Vec<Vec<u8>> {
    users(text)
        .filter(|user| user.uid == uid)
        .map(|user| user.name.to_owned())
        .collect()
}

/// The owner of the environments of a number, as seen by the account that has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// That account's own.
    Own,
    /// Nobody's yet: this account's from now on.
    New(Account),
    /// Another account's, which had the number before.
    Former,
    /// A local account's that does not exist any more; no local account has the number.
    Gone,
    /// The local files do not say who has the number.
    Unknown,
}

impl Claim {
    /// Judges by the note and the local files alone.
    #[must_use]
    pub fn judge(noted: Option<&Account>, local: &Local) -> Claim {
        match (noted, local) {
            (_, Local::Unknown) => Claim::Unknown,
            (Some(noted), Local::Names(names)) if names.is_empty() => match noted.source {
                // As of the last time that the name service was asked.
                Source::Service => Claim::Own,
                Source::Local => Claim::Gone,
            },
            (Some(noted), Local::Names(names)) => match names.contains(&noted.name) {
                true => Claim::Own,
                false => Claim::Former,
            },
            (None, Local::Names(names)) => match names.first() {
                Some(name) => Claim::New(Account {
                    name: name.clone(),
                    source: Source::Local,
                }),
                None => Claim::Unknown,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:\xff:/home/alice:/bin/sh\nalso:x:1000:1::/:\nbroken\n";

    fn local(name: &[u8]) -> Account {
        Account {
            name: name.to_owned(),
            source: Source::Local,
        }
    }

    #[test]
    fn a_number_may_have_several_names_and_a_line_any_bytes() {
        let names = Local::Names(vec![b"alice".to_vec(), b"also".to_vec()]);
        assert_eq!(Local::in_text(PASSWD, 1000), names);
        assert_eq!(Local::in_text(PASSWD, 1001), Local::Names(Vec::new()));
        assert_eq!(Claim::judge(Some(&local(b"also")), &names), Claim::Own);
        assert_eq!(Claim::judge(Some(&local(b"bob")), &names), Claim::Former);
        assert_eq!(Claim::judge(None, &names), Claim::New(local(b"alice")));
    }

    #[test]
    fn a_file_that_is_being_written_proves_no_absence() {
        for part in [
            &b""[..],
            b"alice:x:1000:1000::/:/bin/sh\n",
            &PASSWD[..40],
            &PASSWD[..25],
        ] {
            assert_eq!(Local::in_text(part, 1001), Local::Unknown);
        }
        // Within a number.
        assert_eq!(
            Local::in_text(b"root:x:0:0::/:\na:x:10", 10),
            Local::Unknown
        );
        let unknown = Claim::judge(Some(&local(b"alice")), &Local::Unknown);
        assert_eq!(unknown, Claim::Unknown);
    }

    #[test]
    fn a_line_that_names_nobody_is_nobodys() {
        for line in ["#alice:x:7:7::/:", "+alice:x:7:7::/:", "a\0:x:7:7::/:"] {
            let text = format!("root:x:0:0::/:\n{line}\n");
            let found = Local::in_text(text.as_bytes(), 7);
            assert_eq!(found, Local::Names(Vec::new()), "{line:?}");
        }
        // A comment is no account of root's.
        assert_eq!(Local::in_text(b"#root:x:0:0::/:\n", 7), Local::Unknown);
    }

    #[test]
    fn no_local_account_has_the_number() {
        let nobody = Local::Names(Vec::new());
        let service = Account {
            source: Source::Service,
            ..local(b"DOMAIN\\some body")
        };
        assert_eq!(Claim::judge(Some(&local(b"a")), &nobody), Claim::Gone);
        assert_eq!(Claim::judge(Some(&service), &nobody), Claim::Own);
        assert_eq!(Claim::judge(None, &nobody), Claim::Unknown);
    }

    #[test]
    fn a_note_is_whole_or_none() {
        assert_eq!(Account::parse(b"local a b\xff\n"), Some(local(b"a b\xff")));
        for damaged in [
            &b""[..],
            b"\n",
            b"local \n",
            b"local a",
            b"else a\n",
            b"local a\nb\n",
        ] {
            assert_eq!(Account::parse(damaged), None);
        }
    }
}

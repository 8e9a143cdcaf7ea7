//! Environments belong to an account, not to its number: before the environments of an account are
//! entered or made, those of an account that had the number before are set aside.

use crate::host::RUN;
use crate::log;
use crate::name_service::{Answer, ask};
use caddis_policy::Policy;
use caddis_view::account::{Account, Claim, Local, Note, Source, vouch};
use caddis_view::lock::lock_deadline;
use caddis_view::orphans::{remove_leftovers, set_aside};
use caddis_view::store::{Environments, environments, no_account, unclear};
use caddis_view::{Error, Result};
use std::path::Path;
use std::time::Instant;

/// For so many seconds an answer of the name service is used again, so that the processes of a
/// parallel program that join together ask once.
const FRESH: u64 = 600;

/// For so many seconds an answer is used while the name service does not answer. It must expire: a
/// user who has been given the number since could prevent an answer.
const STALE: u64 = 24 * 3600;

/// Ensures that the environments of `uid` belong to the account that has the number now. Others are
/// set aside.
pub(crate) fn settle(policy: &Policy, uid: u32) -> Result<()> {
    let state = &policy.storage.state;
    let note = note(state, uid)?;
    let local = Local::settled(uid);
    let account = note.as_ref().map(|note| &note.account);
    match (Claim::judge(account, &local), &note) {
        (Claim::Own, Some(note)) if by_service(note, &local) && note.age() > FRESH => {
            by_name_service(state, uid, Some(note))
        }
        (Claim::Own, Some(note)) => {
            note_local(state, uid, note, &local);
            Ok(())
        }
        (Claim::Own, None) => Ok(()),
        // Noted here, where the caller cannot end this process.
        (Claim::New(_), _) => Environments::of(state, uid, false).map(drop),
        (Claim::Former, _) => set_aside_if(state, uid, &names(&local)),
        (Claim::Unknown, Some(note)) => without_list(uid, note),
        (Claim::Gone | Claim::Unknown, note) => by_name_service(state, uid, note.as_ref()),
    }
}

/// Decides while `/etc/passwd` says nothing. Nothing is set aside, and no note changes.
fn without_list(uid: u32, note: &Note) -> Result<()> {
    let name = &note.account.name;
    match ask(uid) {
        Answer::Names(names) if names.contains(name) => {}
        Answer::None | Answer::Silence
            if note.account.source == Source::Service && note.age() <= STALE => {}
        _ => return Err(unclear(uid)),
    }
    vouch(uid, name);
    Ok(())
}

/// An account that has moved from a name service to the local files. If it cannot be noted now, it
/// is the next time.
fn note_local(state: &Path, uid: u32, note: &Note, local: &Local) {
    let name = &note.account.name;
    if note.account.source == Source::Service && names(local).contains(name) {
        let account = Account {
            name: name.clone(),
            source: Source::Local,
        };
        let _ = Environments::claim(state, uid, &account);
    }
}

/// Whether nobody but a name service knows that the account still is whose it was.
fn by_service(note: &Note, local: &Local) -> bool {
    note.account.source == Source::Service && names(local).is_empty()
}

fn names(local: &Local) -> Vec<Vec<u8>> {
    match local {
        Local::Names(names) => names.clone(),
        Local::Unknown => Vec::new(),
    }
}

fn note(state: &Path, uid: u32) -> Result<Option<Note>> {
    match Environments::of_anybody(state, uid)? {
        Some(found) => found.note(),
        None => Ok(None),
    }
}

fn by_name_service(state: &Path, uid: u32, note: Option<&Note>) -> Result<()> {
    match (ask(uid), note) {
        (Answer::Names(names), note) => {
            let known = note.map(|note| &note.account.name);
            let name = known.filter(|name| names.contains(name)).or(names.first());
            if note.is_some() {
                set_aside_if(state, uid, &names)?;
            }
            let claim = |name: &Vec<u8>| {
                let account = Account {
                    name: name.clone(),
                    source: Source::Service,
                };
                Environments::claim(state, uid, &account)
            };
            match name.map(claim) {
                // They are there; there is no room to note that the name service has said so again.
                Some(Err(_)) if known == name => Ok(()),
                Some(result) => result,
                None => Ok(()),
            }
        }
        (_, Some(note)) if note.account.source == Source::Service && note.age() <= STALE => Ok(()),
        (_, Some(note)) => {
            let name = String::from_utf8_lossy(&note.account.name).into_owned();
            let reason = format!("they belong to the account \"{name}\", which is not found");
            let object = format!("the environments of user {uid}");
            Err(Error::refused("use", object, reason)
                .hint(format!("`getent passwd {uid}` must print its line")))
        }
        (_, None) => Err(no_account(uid)),
    }
}

/// Sets them aside if they belong to none of these accounts.
fn set_aside_if(state: &Path, uid: u32, names: &[Vec<u8>]) -> Result<()> {
    let foreign =
        |note: Option<&Note>| note.is_some_and(|note| !names.contains(&note.account.name));
    put_aside(state, uid, &foreign, lock_deadline()).map(drop)
}

/// Sets aside what is `foreign`, and logs that. `false`: nothing is.
fn put_aside(
    state: &Path,
    uid: u32,
    foreign: &dyn Fn(Option<&Note>) -> bool,
    end: Instant,
) -> Result<bool> {
    let note = note(state, uid)?;
    let Some(directory) = set_aside(state, Path::new(RUN), uid, foreign, end)? else {
        return Ok(false);
    };
    let name = note.map(|note| String::from_utf8_lossy(&note.account.name).into_owned());
    log::set_aside(uid, &name.unwrap_or_default(), &directory);
    Ok(true)
}

/// What came of a look at all accounts.
#[derive(Debug, Default)]
pub struct Swept {
    /// The numbers whose environments were set aside.
    pub set_aside: Vec<u32>,
    /// What went wrong with others.
    pub errors: Vec<Error>,
}

/// Sets aside the environments of accounts that no longer exist, and ends what runs in them.
/// `deleted`: an account of this name has just been deleted, which holds even if one of that name
/// is made at once.
///
/// Only what `/etc/passwd` says counts: a name service that finds nothing may be away.
///
/// Locks are waited for until `end`, all of them together. After that, environments that somebody
/// holds locked are named as an error, and the others are still looked at.
pub fn sweep(policy: &Policy, deleted: Option<&[u8]>, end: Instant) -> Result<Swept> {
    let state = &policy.storage.state;
    let mut swept = Swept::default();
    for uid in Environments::users(state)? {
        match look_at(state, uid, deleted, end) {
            Ok(true) => swept.set_aside.push(uid),
            Ok(false) => {}
            Err(error) => {
                let operation = format!("look after user {uid}: {}", error.operation);
                swept.errors.push(Error { operation, ..error });
            }
        }
    }
    remove_leftovers(&environments(state)?)?;
    Ok(swept)
}

fn look_at(state: &Path, uid: u32, deleted: Option<&[u8]>, end: Instant) -> Result<bool> {
    let aside = |foreign: &dyn Fn(Option<&Note>) -> bool| -> Result<bool> {
        put_aside(state, uid, foreign, end)
    };
    let note = note(state, uid)?;
    let local = Local::of(uid);
    let account = note.as_ref().map(|note| &note.account);
    match Claim::judge(account, &local) {
        Claim::Own => {
            if let Some(note) = &note {
                note_local(state, uid, note, &local);
            }
            Ok(false)
        }
        Claim::Unknown => Ok(false),
        // Made before there were notes.
        Claim::New(_) => Environments::of(state, uid, false).map(|_| false),
        Claim::Former => {
            let names = names(&local);
            aside(&|note| note.is_some_and(|note| !names.contains(&note.account.name)))
        }
        Claim::Gone if account.is_some_and(|account| deleted == Some(&account.name)) => {
            aside(&|note| note.is_some_and(|note| deleted == Some(&note.account.name)))
        }
        // It may have moved from the file to a name service.
        Claim::Gone => match ask(uid) {
            Answer::Silence => Ok(false),
            Answer::None => aside(&|now| now == note.as_ref()),
            Answer::Names(names) => {
                let set =
                    aside(&|note| note.is_some_and(|note| !names.contains(&note.account.name)))?;
                if let (false, Some(account)) = (set, account) {
                    let account = Account {
                        source: Source::Service,
                        ..account.clone()
                    };
                    Environments::claim(state, uid, &account)?;
                }
                Ok(set)
            }
        },
    }
}

/// Whether environments that were not set aside belong to an account that is not found. For display
/// only: a name service may be away.
#[must_use]
pub fn is_lost(uid: u32, note: Option<&Note>) -> bool {
    let local = Local::of(uid);
    match Claim::judge(note.map(|note| &note.account), &local) {
        Claim::Former => true,
        Claim::New(_) => false,
        // The next look at the list may find it.
        Claim::Unknown if note.is_some_and(|note| note.account.source == Source::Local) => false,
        Claim::Own if note.is_some_and(|note| !by_service(note, &local)) => false,
        Claim::Own | Claim::Gone | Claim::Unknown => match ask(uid) {
            Answer::Names(names) => note.is_some_and(|note| !names.contains(&note.account.name)),
            Answer::None => true,
            Answer::Silence => false,
        },
    }
}

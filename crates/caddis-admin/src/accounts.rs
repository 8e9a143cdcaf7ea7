//! `accounts`, `orphans`, `remove-orphans`: environments whose account is gone.

use crate::say;
use caddis_helper::host::RUN;
use caddis_helper::output::encode;
use caddis_helper::ownership::{self, sweep};
use caddis_policy::Policy;
use caddis_view::Result;
use caddis_view::account::Note;
use caddis_view::lock::lock_deadline;
use caddis_view::orphans::{Orphan, orphans, remove, set_aside};
use caddis_view::store::Environments;
use std::path::Path;

/// Sets aside what belongs to accounts that are gone; `deleted` has just been deleted.
pub(crate) fn look_after(policy: &Policy, deleted: Option<&[u8]>) -> Result<u8> {
    let swept = sweep(policy, deleted, lock_deadline())?;
    swept.errors.iter().for_each(say::error);
    Ok(match swept.errors.is_empty() {
        true => 0,
        false => crate::FAILED,
    })
}

/// Environments without an account, in the one place or the other.
struct Lost {
    /// Where they are below the state directory.
    directory: String,
    uid: u32,
    note: Option<Note>,
    environments: Environments,
    /// The directory that was set aside; `None`: they are still where those of the number are.
    orphan: bool,
}

impl From<Orphan> for Lost {
    fn from(orphan: Orphan) -> Lost {
        let Orphan {
            directory,
            uid,
            note,
            environments,
        } = orphan;
        Lost {
            directory,
            uid,
            note,
            environments,
            orphan: true,
        }
    }
}

fn lost(policy: &Policy) -> Result<Vec<Lost>> {
    let state = &policy.storage.state;
    let mut lost: Vec<Lost> = orphans(state)?.into_iter().map(Lost::from).collect();
    for uid in Environments::users(state)? {
        let Some(environments) = Environments::of_anybody(state, uid)? else {
            continue;
        };
        let note = environments.note()?;
        if ownership::is_lost(uid, note.as_ref()) {
            let directory = uid.to_string();
            lost.push(Lost {
                directory,
                uid,
                note,
                environments,
                orphan: false,
            });
        }
    }
    Ok(lost)
}

/// A line for each environment; one without a name for a directory that has none.
pub(crate) fn list(policy: &Policy) -> Result<u8> {
    for lost in lost(policy)? {
        let names = lost.environments.names()?;
        let user = lost
            .note
            .map(|note| encode(&note.account.name))
            .unwrap_or_default();
        let line = |name: &str, bytes: u64, used: u64| {
            say::plain(&format!(
                "directory={}\tuid={}\tuser={user}\tname={name}\tstate={}\tbytes={bytes}\tused={used}",
                lost.directory,
                lost.uid,
                if lost.orphan {
                    "set-aside"
                } else {
                    "no-account"
                },
            ));
        };
        if names.is_empty() {
            line("", 0, 0);
        }
        for name in names {
            let usage = lost.environments.usage(&name)?;
            line(name.as_str(), usage.bytes, usage.used);
        }
    }
    Ok(0)
}

/// Removes orphans by their directories, as `orphans` lists them. Directories that are no longer
/// listed are left alone.
pub(crate) fn remove_these(policy: &Policy, directories: &[&str]) -> Result<u8> {
    let state = &policy.storage.state;
    let mut status = 0;
    let wanted = |directory: &str| directories.contains(&directory);
    for lost in lost(policy)?
        .into_iter()
        .filter(|lost| wanted(&lost.directory))
    {
        let removed = match lost.orphan {
            true => remove(state, &lost.directory),
            false => {
                let same = |note: Option<&Note>| note == lost.note.as_ref();
                set_aside(state, Path::new(RUN), lost.uid, same, lock_deadline()).and_then(
                    |aside| match aside {
                        Some(directory) => remove(state, &directory),
                        None => Ok(()),
                    },
                )
            }
        };
        if let Err(error) = removed {
            say::error(&error);
            status = crate::FAILED;
        }
    }
    Ok(status)
}

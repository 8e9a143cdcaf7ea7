//! Which host ids belong to a user's environments.

use super::{Ids, SubEntry};
use crate::accounts::shown;

/// How many ids a range has: all that fit into 16 bits, which is what packages expect of a system.
pub const RANGE: u32 = 65536;

/// The host ids that container ids 0 to 65535 stand for: [`RANGE`] from each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// Host uid of container uid 0.
    pub uid_start: u32,
    /// Host gid of container gid 0.
    pub gid_start: u32,
}

impl IdRange {
    /// The inner number of the host's user `uid`; `None`: the range does not have it.
    #[must_use]
    pub fn inner_uid(&self, uid: u32) -> Option<u32> {
        inner(uid, self.uid_start)
    }

    /// The inner number of the host's group `gid`; `None`: the range does not have it.
    #[must_use]
    pub fn inner_gid(&self, gid: u32) -> Option<u32> {
        inner(gid, self.gid_start)
    }
}

fn inner(id: u32, start: u32) -> Option<u32> {
    id.checked_sub(start).filter(|inner| *inner < RANGE)
}

/// Why there is no range for a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The computed ranges begin with a higher uid.
    #[error(
        "id range: uid {uid} is below {first_uid}, the first uid that has one (policy: ids.first_uid), \
         and has no own entry of {RANGE} ids in /etc/subuid and /etc/subgid"
    )]
    BelowFirst {
        /// The user.
        uid: u32,
        /// The policy's first uid.
        first_uid: u32,
    },
    /// The computed range does not fit into 32 bits.
    #[error(
        "id range: the range of uid {uid} would end beyond the highest id (policy: ids.start = {start}, \
         ids.first_uid = {first_uid}), and the user has no own entry of {RANGE} ids in /etc/subuid and /etc/subgid"
    )]
    BeyondLast {
        /// The user.
        uid: u32,
        /// The policy's start.
        start: u32,
        /// The policy's first uid.
        first_uid: u32,
    },
    /// The user's own entry does not fit into 32 bits.
    #[error("id range: the entry {owner}:{start} in {file} ends beyond the highest id")]
    EntryBeyondLast {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// Whose entry.
        owner: String,
        /// Its first id.
        start: u32,
    },
    /// Somebody else's entry has ids of the range.
    #[error(
        "id range: ids {start} to {} of uid {uid} overlap the entry {owner}:{entry_start}:{entry_count} in {file}",
        .start + (RANGE - 1)
    )]
    Overlap {
        /// The user.
        uid: u32,
        /// First id of the user's range.
        start: u32,
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// Who else.
        owner: String,
        /// First id of their entry.
        entry_start: u32,
        /// Number of ids of their entry.
        entry_count: u32,
    },
    /// The range lies where real accounts live.
    #[error("id range: ids from {start} on are real accounts' ids; allowed: {RANGE} and above")]
    RealIds {
        /// First id of the range.
        start: u32,
    },
    /// The range holds the user's own uid.
    #[error("id range: ids {start} to {} contain the user's own uid {uid}", .start + (RANGE - 1))]
    OwnUid {
        /// The user.
        uid: u32,
        /// First id of the range.
        start: u32,
    },
}

const SUBUID: &str = "/etc/subuid";
const SUBGID: &str = "/etc/subgid";

/// The range of a user: their own entry in both `subuid` and `subgid` where there is one with at
/// least [`RANGE`] ids and the policy says so, else a range computed from the uid.
///
/// Computed ranges of two users never meet, and no range meets somebody else's entry, so that the
/// files of one user's environments never belong to an id of another's.
///
/// # Errors
/// There is no range that is safe to use; says which ids are in the way.
pub fn id_range(
    ids: &Ids,
    uid: u32,
    name: Option<&[u8]>,
    subuid: &[SubEntry],
    subgid: &[SubEntry],
) -> Result<IdRange, RangeError> {
    let own = if ids.subuid {
        own_entries(uid, name, subuid, subgid)
    } else {
        None
    };
    let range = match own {
        Some((uids, gids)) => IdRange {
            uid_start: entry_start(uids, SUBUID)?,
            gid_start: entry_start(gids, SUBGID)?,
        },
        None => computed(ids, uid)?,
    };
    check_real(range.uid_start)?;
    check_real(range.gid_start)?;
    if uid
        .checked_sub(range.uid_start)
        .is_some_and(|offset| offset < RANGE)
    {
        return Err(RangeError::OwnUid {
            uid,
            start: range.uid_start,
        });
    }
    check_others(uid, name, range.uid_start, subuid, SUBUID)?;
    check_others(uid, name, range.gid_start, subgid, SUBGID)?;
    Ok(range)
}

fn own_entries<'a>(
    uid: u32,
    name: Option<&[u8]>,
    subuid: &'a [SubEntry],
    subgid: &'a [SubEntry],
) -> Option<(&'a SubEntry, &'a SubEntry)> {
    Some((own_entry(uid, name, subuid)?, own_entry(uid, name, subgid)?))
}

fn own_entry<'a>(uid: u32, name: Option<&[u8]>, entries: &'a [SubEntry]) -> Option<&'a SubEntry> {
    let mut large = entries.iter().filter(|entry| entry.count >= RANGE);
    let by_name = large.clone().find(|entry| entry.is_by_name(name));
    by_name.or_else(|| large.find(|entry| entry.is_by_uid(uid)))
}

fn entry_start(entry: &SubEntry, file: &'static str) -> Result<u32, RangeError> {
    if fits(entry.start) {
        return Ok(entry.start);
    }
    Err(RangeError::EntryBeyondLast {
        file,
        owner: shown(&entry.owner),
        start: entry.start,
    })
}

fn computed(ids: &Ids, uid: u32) -> Result<IdRange, RangeError> {
    let first_uid = ids.first_uid;
    let nth = uid
        .checked_sub(first_uid)
        .ok_or(RangeError::BelowFirst { uid, first_uid })?;
    let start = nth
        .checked_mul(RANGE)
        .and_then(|offset| ids.start.checked_add(offset))
        .filter(|&start| fits(start))
        .ok_or(RangeError::BeyondLast {
            uid,
            start: ids.start,
            first_uid,
        })?;
    Ok(IdRange {
        uid_start: start,
        gid_start: start,
    })
}

/// Whether [`RANGE`] ids from `start` on are ids. The highest number of 32 bits is none: system
/// calls take it for "leave as it is".
pub(crate) const fn fits(start: u32) -> bool {
    start < u32::MAX - (RANGE - 1)
}

fn check_real(start: u32) -> Result<(), RangeError> {
    if start < RANGE {
        Err(RangeError::RealIds { start })
    } else {
        Ok(())
    }
}

fn check_others(
    uid: u32,
    name: Option<&[u8]>,
    start: u32,
    entries: &[SubEntry],
    file: &'static str,
) -> Result<(), RangeError> {
    // The comparison of numbers first: it is true for hardly any entry.
    let other = entries
        .iter()
        .find(|entry| entry.overlaps(start, RANGE) && !entry.belongs_to(uid, name));
    match other {
        None => Ok(()),
        Some(entry) => Err(RangeError::Overlap {
            uid,
            start,
            file,
            owner: shown(&entry.owner),
            entry_start: entry.start,
            entry_count: entry.count,
        }),
    }
}

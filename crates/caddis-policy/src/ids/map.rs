//! The maps of a user namespace.

use super::RANGE;

/// The inode number of the initial user namespace, the same on every Linux: `PROC_USER_INIT_INO` in the kernel's
/// `include/linux/proc_ns.h`.
pub const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// The kernel takes at most this many extents per map (`UID_GID_MAP_MAX_EXTENTS`).
const MOST_EXTENTS: usize = 340;

/// The text of a map is shorter than a page, of which this is the smallest size; see map_write in the kernel.
const PAGE: usize = 4096;

/// `count` ids from `inside` on stand for as many host ids from `outside` on.
/// See [user_namespaces(7)](https://man7.org/linux/man-pages/man7/user_namespaces.7.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First id in the environment.
    pub inside: u32,
    /// First id on the host.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// Why there is no group map for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The kernel's limit.
    #[error(
        "group map: {groups} groups need {extents} pieces; the kernel takes at most {MOST_EXTENTS}"
    )]
    TooManyExtents {
        /// How many different groups the caller has.
        groups: usize,
        /// How many extents they need.
        extents: usize,
    },
    /// The kernel takes less than a page of text.
    #[error(
        "group map: {groups} groups need {bytes} bytes of map; the kernel takes less than {PAGE}"
    )]
    TooLong {
        /// How many different groups the caller has.
        groups: usize,
        /// How long the map's text would be.
        bytes: usize,
    },
    /// A group of the caller is one of the ids that the environment gets for its own groups.
    #[error("group map: group {gid} lies among the host ids {start} to {} of the user's environments", .start + (RANGE - 1))]
    OwnGroup {
        /// The group.
        gid: u32,
        /// First id of the range.
        start: u32,
    },
    /// The range does not fit into 32 bits.
    #[error("group map: a range that starts at {start} ends beyond the highest id")]
    BeyondLast {
        /// First id of the range.
        start: u32,
    },
}

/// The one host id of the range from `start` on that no inner user has: the user namespace belongs to it, as whoever
/// owns one has all rights in it. `uid` stands for itself, so its place in the range is free; a user beyond 65535
/// leaves none, and is given no inner 65535 instead, which is -1 to 16-bit calls and nobody's on any system.
#[must_use]
pub fn spare_uid(uid: u32, start: u32) -> u32 {
    start.saturating_add(uid.min(RANGE - 1))
}

/// The map of uids: 0 to 65535 stand for the host ids from `start` on, but `uid` for itself, and none of them for
/// [`spare_uid`].
///
/// `start` comes from [`id_range`](super::id_range), which has seen to it that the range fits into
/// 32 bits and does not hold `uid`. A map of other numbers may have two names for one host id; the
/// kernel refuses it.
#[must_use]
pub fn uid_map(uid: u32, start: u32) -> Vec<Extent> {
    let end = if uid < RANGE { RANGE } else { RANGE - 1 };
    extents(&[uid], start, end)
}

/// The map of gids: 0 to 65535 stand for the host ids from `start` on, but every one of `gids` (in
/// any order, also twice) for itself.
///
/// # Errors
/// The caller has more scattered groups than the kernel can map, or one inside the range.
pub fn gid_map(gids: &[u32], start: u32) -> Result<Vec<Extent>, MapError> {
    if !super::fits(start) {
        return Err(MapError::BeyondLast { start });
    }
    let mut own = gids.to_vec();
    own.sort_unstable();
    own.dedup();
    let within = |gid: u32| gid.checked_sub(start).is_some_and(|offset| offset < RANGE);
    if let Some(&gid) = own.iter().find(|&&gid| within(gid)) {
        return Err(MapError::OwnGroup { gid, start });
    }
    let map = extents(&own, start, RANGE);
    if map.len() > MOST_EXTENTS {
        return Err(MapError::TooManyExtents {
            groups: own.len(),
            extents: map.len(),
        });
    }
    let bytes = map_text(&map).len();
    if bytes >= PAGE {
        return Err(MapError::TooLong {
            groups: own.len(),
            bytes,
        });
    }
    Ok(map)
}

/// `own` is sorted and without repetitions: between its ids lie pieces of the range, which ends before `end`.
fn extents(own: &[u32], start: u32, end: u32) -> Vec<Extent> {
    let mut map: Vec<Extent> = Vec::with_capacity(2 * own.len() + 1);
    let mut next = 0;
    for &id in own {
        push_range(&mut map, next, id.min(end), start);
        match map.last_mut() {
            Some(last) if last.inside == last.outside && last.inside + last.count == id => {
                last.count += 1
            }
            _ => map.push(Extent {
                inside: id,
                outside: id,
                count: 1,
            }),
        }
        next = id.saturating_add(1);
    }
    push_range(&mut map, next, end, start);
    map
}

/// The piece of the range from inside id `from` to before `to`.
fn push_range(map: &mut Vec<Extent>, from: u32, to: u32, start: u32) {
    if from < to {
        map.push(Extent {
            inside: from,
            outside: start.saturating_add(from),
            count: to - from,
        });
    }
}

/// The text of `/proc/PID/uid_map`: one line `inside outside count` per extent.
#[must_use]
pub fn map_text(map: &[Extent]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(map.len() * 24);
    for extent in map {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} {} {}",
            extent.inside, extent.outside, extent.count
        );
    }
    text
}

//! Host ids of environments: which range a user gets, and how it is mapped.

mod map;
mod range;
mod subid;

pub(crate) use range::fits;
pub(crate) use subid::entry;

pub use map::{Extent, INITIAL_USER_NAMESPACE, MapError, gid_map, map_text, spare_uid, uid_map};
pub use range::{IdRange, RANGE, RangeError, id_range};
pub use subid::{SubEntry, parse_subid};

/// The table `ids`: where the host ids of environments lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// First host id of the first user's range.
    pub start: u32,
    /// The user who has the range at `start`; the next uid has the next range.
    pub first_uid: u32,
    /// Whether a user's own entry in `/etc/subuid` and `/etc/subgid` comes first.
    pub subuid: bool,
}

impl Default for Ids {
    fn default() -> Self {
        Self {
            start: 0x8000_0000,
            first_uid: 1000,
            subuid: true,
        }
    }
}

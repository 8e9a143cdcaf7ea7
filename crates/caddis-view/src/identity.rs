//! Who an environment belongs to, in the numbers that the kernel uses.

use caddis_policy::{IdRange, spare_uid};

/// A user and the host ids that stand for the ids inside the user's environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's id, the same inside and outside.
    pub uid: u32,
    /// The user's primary group.
    pub gid: u32,
    /// All of the user's groups, the primary one among them.
    pub groups: Vec<u32>,
    /// The host ids of the inner ids 0 to 65535.
    pub range: IdRange,
}

impl Identity {
    /// The host's number of the inner user `uid`. An id that no inner user has stays what it is: the
    /// kernel shows it as nobody's.
    #[must_use]
    pub fn host_uid(&self, uid: u32) -> u32 {
        let host = self.range.uid_start.saturating_add(uid);
        if uid == self.uid || uid > 0xffff || host == self.nobodys_uid() {
            uid
        } else {
            host
        }
    }

    /// A host id of the user's range that no inner user has; see [`spare_uid`].
    #[must_use]
    pub fn nobodys_uid(&self) -> u32 {
        spare_uid(self.uid, self.range.uid_start)
    }

    /// The host's number of the inner group `gid`.
    #[must_use]
    pub fn host_gid(&self, gid: u32) -> u32 {
        if self.groups.contains(&gid) || gid > 0xffff {
            gid
        } else {
            self.range.gid_start + gid
        }
    }

    /// The inner number of the host's user `uid`, as one of the environment's layers has it. Those outside of the
    /// range, the user's own among them, stand for themselves.
    #[must_use]
    pub fn inner_uid(&self, uid: u32) -> u32 {
        self.range.inner_uid(uid).unwrap_or(uid)
    }

    /// The inner number of the host's group `gid`, likewise.
    #[must_use]
    pub fn inner_gid(&self, gid: u32) -> u32 {
        self.range.inner_gid(gid).unwrap_or(gid)
    }
}

//! The whole policy: one field per table of the file.

use crate::{Access, Devices, Ids, Root, Session, Storage, View};

/// What the administrator's policy file says. [`Policy::default`] is what an empty file means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who may use Caddis.
    pub access: Access,
    /// Which host ids environments get.
    pub ids: Ids,
    /// Where environments live.
    pub storage: Storage,
    /// How long an environment outlasts its last session.
    pub session: Session,
    /// What of the host is seen, and how.
    pub view: View,
    /// Which devices are seen.
    pub devices: Devices,
    /// What an environment's root may do.
    pub root: Root,
}

//! The whole policy: one field per table of the file.

use crate::{Access, Devices, Ids, Kernel, Limits, Login, Root, Session, Storage, View};

/// What the administrator's policy file says. [`Policy::default`] is what an empty file means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who may use Caddis.
    pub access: Access,
    /// Which host ids environments get.
    pub ids: Ids,
    /// Where environments live.
    pub storage: Storage,
    /// What becomes of an environment when its last session has ended.
    pub session: Session,
    /// What the environments of one user may use up.
    pub limits: Limits,
    /// Where a login leads.
    pub login: Login,
    /// What of the host is seen, and how.
    pub view: View,
    /// Which devices are seen.
    pub devices: Devices,
    /// What an environment's root may do.
    pub root: Root,
    /// What of the kernel is there inside.
    pub kernel: Kernel,
}

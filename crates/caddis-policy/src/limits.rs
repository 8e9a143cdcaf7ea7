//! What the environments of one user may use up.

/// The table `limits`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many processes may run in all environments of one user together, whatever their ids; 0:
    /// as many as the session that starts an environment may have.
    pub processes: u32,
}

impl Limits {
    /// `PID_MAX_LIMIT` of the kernel: there are never more processes than this.
    pub(crate) const MOST: u32 = 1 << 22;
}

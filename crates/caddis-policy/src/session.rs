//! How long an environment outlasts its last session.

use std::time::Duration;

/// The table `session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// How long the empty environment waits for the next session, which is then a quick join.
    pub linger: Duration,
    /// How long processes have between the request to end and the kill.
    pub stop_grace: Duration,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(60),
            stop_grace: Duration::from_secs(10),
        }
    }
}

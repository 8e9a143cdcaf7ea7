//! What becomes of an environment when its last session has ended.

use std::time::Duration;

/// The table `session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// How long processes that are left may go on.
    pub background: Duration,
    /// As long as a process of one of these names runs, all that are left may go on. Names are what the kernel calls
    /// a process, `/proc/PID/comm`; a user can call any process so.
    pub keep: Vec<String>,
    /// How long the empty environment waits for the next session, which is then a quick join.
    pub linger: Duration,
    /// How long processes have between the request to end and the kill.
    pub stop_grace: Duration,
}

impl Default for Session {
    fn default() -> Self {
        // What each of these calls the process that others come back to; mosh's is the session itself.
        let keep = [
            "tmux: server",
            "screen",
            "zellij",
            "dtach",
            "abduco",
            "mosh-server",
        ];
        Self {
            background: Duration::ZERO,
            keep: keep.map(str::to_owned).to_vec(),
            linger: Duration::from_secs(60),
            stop_grace: Duration::from_secs(10),
        }
    }
}

//! Waiting for something that no descriptor announces.

use std::thread;
use std::time::{Duration, Instant};

/// Waits until `condition` holds and panics, naming `what`, when it still does not after three minutes, as long as a
/// command may take.
///
/// For states of the kernel that nobody announces (a loop device let go of, a mount gone). A program's output
/// and end are events: use [`HostChild`](crate::HostChild) for them.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(180);
    while !condition() {
        assert!(
            Instant::now() < end,
            "did not happen within three minutes: {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

//! What is on a terminal.

use caddis_lab::{Host, eventually};

/// Waits until a command of this name is in the foreground of its terminal: what is typed from here on is for it.
pub fn in_foreground(host: &Host, name: &str) {
    eventually("it is in the foreground", || {
        let stat = host.sh("root", &format!("ps -o stat= -C {name}"));
        stat.text().contains('+')
    });
}

//! The message of the day. sshd shows it, and what PAM had to say, where a client asks for no command; a forced command
//! counts as one, so it is left to do here.

use std::io::Write;
use std::path::Path;

use crate::small_file;
use crate::variables::{Variables, get};

/// What pam_motd shows on Debian: what has been made at this login, and what the administrator has written.
const FILES: [&str; 2] = ["/run/motd.dynamic", "/etc/motd"];

/// Longer ones nobody reads.
const MOST: u64 = 1 << 20;

/// Shows it, except to those who want none (`~/.hushlogin`).
pub fn show(variables: &Variables) {
    let home = get(variables, "HOME").map(Path::new);
    if home.is_some_and(|home| home.join(".hushlogin").exists()) {
        return;
    }
    for file in FILES {
        if let Ok(text) = small_file::read(Path::new(file), MOST) {
            // A client who has gone away is the shell's to notice.
            let _ = std::io::stdout().write_all(&text);
        }
    }
    let _ = std::io::stdout().flush();
}

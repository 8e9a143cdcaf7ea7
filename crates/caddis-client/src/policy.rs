//! The host's policy as its users can read it. What it says about them is for the helper to decide; here it only
//! answers questions that come before.

use std::io;
use std::path::{Path, PathBuf};

use caddis_policy::SYSCONFDIR;
use caddis_trust::{Fault, Kind};

/// The policy file.
pub fn path() -> PathBuf {
    Path::new(SYSCONFDIR).join("policy.toml")
}

/// Its bytes.
pub fn read() -> io::Result<Vec<u8>> {
    std::fs::read(path())
}

/// Why the helper would not trust the policy, or not find it: the first file or directory on the
/// way that is wrong.
pub fn fault() -> Option<Fault> {
    caddis_trust::open(&path()).err()
}

/// What to do about that.
pub fn remedy(fault: &Fault) -> String {
    match fault.kind {
        Kind::Missing => caddis_policy::NO_POLICY.to_owned(),
        _ => fault
            .remedy()
            .unwrap_or_else(|| format!("look at {}", fault.path.display())),
    }
}

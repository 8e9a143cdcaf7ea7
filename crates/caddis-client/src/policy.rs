//! The host's policy as its users can read it. What it says about them is for the helper to decide; here it only
//! answers questions that come before.

use std::io;
use std::path::{Path, PathBuf};

use caddis_policy::SYSCONFDIR;

/// The policy file.
pub fn path() -> PathBuf {
    Path::new(SYSCONFDIR).join("policy.toml")
}

/// Its bytes.
pub fn read() -> io::Result<Vec<u8>> {
    std::fs::read(path())
}

//! The installation, as an administrator does it.

use caddis_lab::Host;
use std::process::Command;

/// `make TARGET DESTDIR=<the host's root>` and `more`, as root.
#[track_caller]
pub fn make(host: &Host, target: &str, more: &[&str]) {
    let programs = std::env::var("CADDIS_LAB_BIN").unwrap_or_default();
    let output = Command::new("make")
        .args(["-C", concat!(env!("CARGO_MANIFEST_DIR"), "/..")])
        .args([target, "BUILD=no"])
        .arg(format!("BIN_DIR={programs}"))
        .arg(format!("DESTDIR={}", host.root_path().display()))
        .args(more)
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output();
    assert!(
        output.as_ref().is_ok_and(|output| output.status.success()),
        "{output:?}"
    );
}

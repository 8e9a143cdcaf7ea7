//! Odd command lines, kept as files: the arguments, separated by NUL bytes.
//!
//! Inputs that a fuzzer finds go there, too; see [`kept`].
//! `CADDIS_BLESS=1 cargo test -p caddis-helper --test corpus` writes the messages anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod invariants;
#[path = "../../caddis-policy/tests/kept/mod.rs"]
mod kept;

use invariants::{arguments, check};
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn command_lines() {
    kept::check(&corpus(), "arguments", "", |bytes| {
        check(&arguments(bytes)).map(|request| format!("{request:?}"))
    });
}

//! The command line of the setuid helper: its arguments, separated by NUL bytes.

#![no_main]

#[path = "../../crates/caddis-helper/tests/invariants/mod.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = invariants::check(&invariants::arguments(bytes));
});

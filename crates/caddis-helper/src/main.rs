//! The setuid program of Caddis; see the library beside this file.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(caddis_helper::run())
}

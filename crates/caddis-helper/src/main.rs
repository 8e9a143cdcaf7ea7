//! The setuid program of Caddis; see the library beside this file.

#![forbid(unsafe_code)]
// Nothing in here writes to the caller's descriptors: what there is to say is returned.
#![deny(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(caddis_helper::run())
}

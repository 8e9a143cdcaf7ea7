//! What only root does, and asks for as root: a program of its own, so that none of it is in the setuid helper.
//! `caddis admin` calls it.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod packages;
mod refresh;

use caddis_helper::host;
use caddis_helper::output;
use caddis_view::Error;
use rustix::process::{getuid, umask};
use std::ffi::OsString;
use std::process::ExitCode;

/// Exit status: Caddis itself failed.
const FAILED: u8 = 125;

fn main() -> ExitCode {
    // Modes are given in full where something is made.
    umask(rustix::fs::Mode::empty());
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let status = run(&arguments).unwrap_or_else(|error| {
        output::error(&error);
        FAILED
    });
    ExitCode::from(status)
}

fn run(arguments: &[OsString]) -> Result<u8, Error> {
    let words: Vec<&str> = arguments
        .iter()
        .map(|word| word.to_str().unwrap_or_default())
        .collect();
    if !getuid().is_root() {
        return Err(Error::refused("run", "caddis-admin", "only root may do so"));
    }
    match words[..] {
        ["refresh"] => refresh::run(&host::policy()?),
        [packages::VERB, uid, name, number] => packages::one(&host::policy()?, uid, name, number),
        _ => Err(
            Error::refused("understand", "the request", format!("{arguments:?}"))
                .hint("this program is called by `caddis admin`; see `caddis admin --help`"),
        ),
    }
}

//! `caddis`: the command line.
//!
//! It reads arguments, asks questions and renders answers. It holds no privilege: whatever needs root is asked of
//! the helper, which decides for itself and trusts nothing that it is told here.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod doctor;
mod helper;
mod outside;
mod program_file;
mod render;
mod session;
mod terminal;

use std::process::ExitCode;

use caddis_client::{error, user};
use commands::from_inside::Place;

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    let asked_from = Place::take(&mut arguments);
    let outcome = match cli::parse(&arguments) {
        Ok(cli) => outside::ask(&arguments).unwrap_or_else(|| commands::run(cli, asked_from)),
        Err(code) => return ExitCode::from(code),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(error.report(cli::usage_code(&arguments))),
    }
}

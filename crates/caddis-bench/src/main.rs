//! `caddis-bench`: what a start, a join and life inside cost, beside other container programs.
//!
//! It runs on the machine, inside the lab (`make bench`), and starts one disposable host. There, a *runner* for each user
//! does the measuring: this same program in another role, which starts a command and waits for it, with nothing in
//! between. Here, a *suite* says what is measured in which order, a *candidate* how one program is called, and the
//! *report* what came out.
#![forbid(unsafe_code)]

mod arguments;
mod candidates;
mod error;
mod report;
mod runner;
mod site;
mod statistics;
mod suites;
mod work;

use arguments::{Arguments, Role};
use clap::Parser;
use error::Result;
use report::Report;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.role {
        Some(Role::Serve) => runner::serve(),
        Some(Role::Work { kind, directory }) => work::run(*kind, directory),
        None => compare(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Result<()> {
    let mut site = site::Site::open(arguments)?;
    let mut report = Report::new(arguments, &site);
    for suite in suites::chosen(arguments) {
        let _ = writeln!(stderr(), "caddis-bench: {}", suite.title());
        report.tables.push(suite.run(&mut site)?);
    }
    report.finish();
    let _ = write!(stdout(), "{}", report::text::render(&report));
    report::save(&report, arguments)
}

//! `caddis-lab`: the part of the lab that runs as a program of its own.
//!
//!     caddis-lab host-init …      becomes the first process of a host (started by the library)
//!     caddis-lab hold             starts a host, says `ready PID`, keeps it until its input ends
//!     caddis-lab shell [USER]     a shell in a fresh host, for looking around (`make host`)
#![forbid(unsafe_code)]

use caddis_lab::{Host, LabError, Result, setup};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["host-init", ..] => host_init(&arguments[1..]),
        ["hold"] => hold(),
        ["shell"] => shell("root"),
        ["shell", user] => shell(user),
        _ => Err(LabError("usage: caddis-lab hold | shell [USER]".into())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn host_init(arguments: &[String]) -> Result<()> {
    let spec = setup::Spec::from_arguments(arguments)?;
    let id = setup::id_on_the_machine()?;
    setup::become_host(&spec)?;
    writeln!(io::stdout(), "process {id}")
        .map_err(|error| LabError(format!("say who it is: {error}")))?;
    // PID 1 reads from the owner's pipe and ends with it, and the kernel ends a pid namespace with its PID 1.
    // It ignores SIGCHLD, so the kernel reaps orphans for it. cat(1) is all that this takes; that it says again what
    // the owner says first tells that it is there.
    let error = Command::new("/usr/bin/env")
        .args(["--ignore-signal=CHLD", "/usr/bin/cat"])
        .env_clear()
        .stderr(Stdio::null())
        .exec();
    Err(LabError(format!("start PID 1: {error}")))
}

fn hold() -> Result<()> {
    let host = Host::builder().without_caddis().start()?;
    let say = writeln!(io::stdout(), "ready {}", host.pid_one());
    say.map_err(|error| LabError(format!("say ready: {error}")))?;
    let mut all = Vec::new();
    io::stdin()
        .read_to_end(&mut all)
        .map_err(|error| LabError(format!("wait for the end of input: {error}")))?;
    Ok(())
}

fn shell(user: &str) -> Result<()> {
    let host = Host::start()?;
    host.interactive(user)?;
    Ok(())
}

//! `caddis-lab`: the part of the lab that runs as a program of its own.
//!
//!     caddis-lab host-init …      becomes the first process of a host (started by the library)
//!     caddis-lab guard CGROUP …   runs a command in that cgroup, and ends it with its own input (the same)
//!     caddis-lab hold [systemd]   starts a host, says `ready PID`, keeps it until its input ends
//!     caddis-lab shell [USER]     a shell in a fresh host, for looking around (`make host`)
#![forbid(unsafe_code)]

use caddis_lab::{Host, HostBuilder, LabError, Result, setup};
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
        ["guard", cgroup, ..] => guard(cgroup, &arguments[2..]),
        ["hold"] => hold(Host::builder()),
        ["hold", "systemd"] => hold(Host::builder().systemd()),
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
    if spec.systemd {
        let error = Command::new("/lib/systemd/systemd")
            .env_clear()
            // It is in a container: the hardware is not its own.
            .env("container", "lab")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .exec();
        return Err(LabError(format!("start systemd: {error}")));
    }
    // That it says again what the owner says first tells that it is there.
    read_to_the_end(Stdio::inherit())
}

/// Starts a command, and ends with the owner's pipe.
fn guard(cgroup: &str, argv: &[String]) -> Result<()> {
    let members = format!("{cgroup}/cgroup.procs");
    std::fs::write(&members, "0").map_err(|error| LabError(format!("write {members}: {error}")))?;
    let [program, arguments @ ..] = argv else {
        return Err(LabError("usage: caddis-lab guard CGROUP COMMAND".into()));
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let started = command.spawn();
    started.map_err(|error| LabError(format!("start {program}: {error}")))?;
    // What the command says ends with the command.
    read_to_the_end(Stdio::null())
}

/// PID 1 reads from the owner's pipe and ends with it, and the kernel ends a pid namespace with its PID 1.
/// It ignores SIGCHLD, so the kernel reaps orphans for it. cat(1) is all that this takes.
fn read_to_the_end(output: Stdio) -> Result<()> {
    let error = Command::new("/usr/bin/env")
        .args(["--ignore-signal=CHLD", "/usr/bin/cat"])
        .env_clear()
        .stdout(output)
        .stderr(Stdio::null())
        .exec();
    Err(LabError(format!("start PID 1: {error}")))
}

fn hold(host: HostBuilder) -> Result<()> {
    let host = host.without_caddis().start()?;
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

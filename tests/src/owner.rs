//! A host that another process owns, which can be killed.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Starts `caddis-lab hold` with these arguments, and returns it and its host's PID 1, as the machine numbers it.
pub fn held_by_another(arguments: &[&str]) -> (Child, u32) {
    let directory = env::var_os("CADDIS_LAB_BIN").unwrap_or_default();
    let mut owner = Command::new(PathBuf::from(directory).join("caddis-lab"))
        .arg("hold")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start caddis-lab hold: {error}"));
    let mut line = String::new();
    if let Some(said) = owner.stdout.take() {
        let read = BufReader::new(said).read_line(&mut line);
        read.unwrap_or_else(|error| panic!("read from caddis-lab hold: {error}"));
    }
    let pid = line
        .trim()
        .strip_prefix("ready ")
        .and_then(|pid| pid.parse().ok());
    let pid = pid.unwrap_or_else(|| panic!("caddis-lab hold: {line:?} names no process"));
    (owner, pid)
}

//! `getent`: the name service switch by way of a program.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Stdio};

use crate::error::Error;

/// What `getent DATABASE [KEY]` prints; nothing when there is no such entry. A system without `getent` has no sources
/// but the files.
pub fn getent(database: &str, key: Option<&OsStr>) -> Result<Vec<u8>, Error> {
    let mut command = Command::new("getent");
    command
        .arg("--")
        .arg(database)
        .args(key)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    match command.output() {
        Ok(output) => Ok(output.stdout),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("run", "getent", error)),
    }
}

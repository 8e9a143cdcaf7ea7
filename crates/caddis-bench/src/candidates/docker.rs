//! `docker run`, where an engine runs: on the machine itself, since the host has none, and with an image that is
//! there already, since nothing is downloaded.

use super::Program;
use crate::error::{Context, Error, Result};
use std::process::Command;

/// The command.
pub fn command(image: &str) -> Vec<&str> {
    vec!["docker", "run", "--rm", "--network=host", image, "true"]
}

/// Docker and its version.
pub fn find(image: Option<&str>) -> Result<(Program, String)> {
    let ask = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output();
        let output = output.context("run docker")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error(reason))
    };
    let version = ask(&["version", "--format", "{{.Server.Version}}"])?;
    let image = image.ok_or_else(|| {
        Error("an engine runs, but no image was named (--docker-image IMAGE)".into())
    })?;
    ask(&["image", "inspect", "--format", "{{.Id}}", image])?;
    Ok((Program::Docker(image.to_owned()), version))
}

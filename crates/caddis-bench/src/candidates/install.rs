//! Brings one of the machine's programs into the host, with the libraries that the host lacks.

use super::Program;
use crate::error::{Context, Error, Result};
use caddis_lab::Host;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Puts `binary` where `program` is called, tries it, and returns what it says about its version.
pub fn install(host: &Host, program: &Program, binary: &str) -> Result<String> {
    let command = program.command("trial");
    let place = command
        .first()
        .ok_or_else(|| Error(format!("call {binary}: its command is empty")))?;
    if !host.exists(place) {
        let path = find(binary)?;
        copy(host, &path, place)?;
        for library in libraries(&path)? {
            let place = library.to_string_lossy().into_owned();
            if !host.exists(&place) {
                copy(host, &library, &place)?;
            }
        }
    }
    let user = match program.who() {
        crate::site::Who::Root => "root",
        _ => "alice",
    };
    let tried = host.run(user, &command);
    if tried.code() != 0 {
        let said = tried.stderr.trim().replace('\n', "; ");
        return Err(Error(format!("it does not work in the host: {said}")));
    }
    let version = host.run(user, &[place.as_str(), "--version"]);
    let said = if version.text().is_empty() {
        version.stderr.trim().to_owned()
    } else {
        version.text().to_owned()
    };
    Ok(said.lines().next().unwrap_or("?").to_owned())
}

fn find(binary: &str) -> Result<PathBuf> {
    ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"]
        .iter()
        .map(|directory| Path::new(directory).join(binary))
        .find(|path| path.exists())
        .ok_or_else(|| Error("it is not installed on this machine".into()))
}

fn copy(host: &Host, from: &Path, to: &str) -> Result<()> {
    let bytes = fs::read(from).context(format_args!("read {}", from.display()))?;
    host.write(to, bytes, 0o755);
    Ok(())
}

/// The files that the loader would take.
fn libraries(path: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(path).output().context("run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let paths = text.lines().filter_map(|line| {
        let (_, path) = line.split_once("=> ")?;
        path.split_whitespace().next().map(PathBuf::from)
    });
    Ok(paths.filter(|path| path.is_absolute()).collect())
}

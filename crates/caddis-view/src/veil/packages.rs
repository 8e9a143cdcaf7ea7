//! What packages brought since the last look at the base.

use super::changes::{Time, since};
use crate::error::{Error, Result};
use rustix::fs::{lstat, stat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// dpkg's lists of files, one for each package.
const DPKG: &str = "/var/lib/dpkg/info";

/// rpm's database, in the places and formats that it has had.
const RPM: [&str; 6] = [
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite-wal",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
];

/// The paths of all packages that were installed or upgraded at `time` or later.
pub(super) fn changed(time: Time) -> Result<Vec<PathBuf>> {
    let mut paths = dpkg(time);
    paths.extend(rpm(time)?);
    Ok(paths.iter().map(|path| resolved(path)).collect())
}

fn dpkg(time: Time) -> Vec<PathBuf> {
    // A list is written under another name and renamed, so the directory changes with each.
    if !stat(DPKG).is_ok_and(|directory| since(&directory, time)) {
        return Vec::new();
    }
    let all = fs::read_dir(DPKG).into_iter().flatten().flatten();
    let new = all.filter(|entry| {
        entry.path().extension() == Some(OsStr::new("list"))
            && lstat(entry.path()).is_ok_and(|list| since(&list, time))
    });
    let texts = new.filter_map(|entry| fs::read(entry.path()).ok());
    texts.flat_map(|text| lines(&text)).collect()
}

fn rpm(time: Time) -> Result<Vec<PathBuf>> {
    let new = |path: &&str| stat(*path).is_ok_and(|database| since(&database, time));
    if !RPM.iter().any(new) {
        return Ok(Vec::new());
    }
    let format = "%{INSTALLTIME} %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\\n";
    let all = ask_rpm(&["--query", "--all", "--queryformat", format])?;
    let all = String::from_utf8_lossy(&all).into_owned();
    let names = all.lines().filter_map(|line| line.split_once(' '));
    let names: Vec<&str> = names
        .filter(|(installed, _)| installed.parse().is_ok_and(|at: i64| at >= time.0))
        .map(|(_, name)| name)
        .collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let files = ask_rpm(&[&["--query", "--list", "--"], &names[..]].concat())?;
    Ok(lines(&files))
}

fn ask_rpm(arguments: &[&str]) -> Result<Vec<u8>> {
    let failed = |reason: String| Error::refused("ask", "rpm for its packages", reason);
    let output = Command::new("/usr/bin/rpm")
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(format!("it ended with {}", output.status)))
}

fn lines(text: &[u8]) -> Vec<PathBuf> {
    let paths = text.split(|byte| *byte == b'\n');
    paths
        .filter(|path| path.starts_with(b"/"))
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .collect()
}

/// Packages may name what is in `/usr/lib` as if it were in `/lib`, a link to it on most systems.
fn resolved(path: &Path) -> PathBuf {
    let mut names = path.components();
    names.next();
    let Some(first) = names.next() else {
        return path.to_owned();
    };
    let first = Path::new("/").join(first);
    match fs::read_link(&first) {
        Ok(target) => Path::new("/").join(target).join(names.as_path()),
        Err(_) => path.to_owned(),
    }
}

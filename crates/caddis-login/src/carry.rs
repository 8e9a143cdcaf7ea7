//! The session's files, put where their variables say that they are. What fails here is told and never keeps anybody
//! from logging in.
//!
//! Copies of tickets and cookies stay until the environment ends: a program that was left running may need them.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use caddis_client::error::Error;
use caddis_client::outside::PLACE;
use rustix::fs::{
    FileType, Mode, OFlags, Stat, Timespec, Timestamps, fchmod, fstat, futimens, lstat, mkdir,
    open, rename, stat, unlink,
};
use rustix::io::{Errno, pread};
use rustix::process::{getpid, getuid};

use crate::handed::MOST;
use crate::variables::{Variables, set};
use crate::{hold, relay};

/// A file of the host's.
#[derive(Debug)]
pub struct File {
    /// The variable that names it.
    pub variable: OsString,
    /// Where it is on the host.
    pub path: PathBuf,
    /// The file.
    pub descriptor: OwnedFd,
}

/// Carries in what is not there already. `tell`: somebody is there to read what has failed.
pub fn all(files: impl Iterator<Item = File>, variables: &mut Variables, tell: bool) {
    for file in files {
        let (name, path) = (file.variable.display().to_string(), file.path.clone());
        match one(file, variables) {
            Ok(()) => {}
            Err(reason) if tell => {
                let object = format!("{} ({name}) into the environment", path.display());
                Error::io("bring", object, reason).report(0);
            }
            Err(_) => {}
        }
    }
}

fn one(file: File, variables: &mut Variables) -> io::Result<()> {
    if file.variable == PLACE {
        set(variables, PLACE, hold::start(&file.descriptor)?);
        return Ok(());
    }
    let source = fstat(&file.descriptor)?;
    let is_same = |there: &Stat| (there.st_dev, there.st_ino) == (source.st_dev, source.st_ino);
    if stat(&file.path).as_ref().is_ok_and(is_same) {
        return Ok(());
    }
    let name = file.variable.to_str().unwrap_or_default().to_owned();
    let path = file.path.clone();
    let (done, at) = match FileType::from_raw_mode(source.st_mode) {
        FileType::Socket => match relay::start(file.descriptor, &file.path) {
            Ok(path) => (Ok(()), path),
            Err(error) => (Err(error), file.path),
        },
        _ => (copy(&file.descriptor, &source, &file.path), file.path),
    };
    if is_safe(&at, &source) {
        if at != path {
            set(variables, &name, at);
        }
        return done;
    }
    variables.retain(|(one, _)| *one != file.variable);
    done?;
    Err(io::Error::other(format!(
        "somebody else than its user could have made what is there; {name} is not set"
    )))
}

/// Whether what is there now is the session's, and stays it. A daemon of the environment, with an id of its own, can make
/// files in `/tmp`, too: an agent that is given keys, a ticket by which the user would be somebody else. So can it where
/// nothing is, or exchange a directory on the way.
fn is_safe(path: &Path, source: &Stat) -> bool {
    let own = |stat: &Stat| [0, getuid().as_raw(), source.st_uid].contains(&stat.st_uid);
    let for_all = |stat: &Stat| stat.st_mode & 0o1002 == 0o002;
    let safe = |path: &Path| {
        lstat(path).is_ok_and(|stat| {
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            own(&stat) && !(is_directory && for_all(&stat))
        })
    };
    // As it is written, and where the links in it lead to.
    let real = path.parent().and_then(|above| above.canonicalize().ok());
    real.is_some_and(|real| real.ancestors().chain(path.ancestors()).all(safe))
}

/// Makes the directory that a file is in, if only that is missing. Returns whether it did.
pub fn make_directory_of(path: &Path) -> io::Result<bool> {
    let directory = path.parent().ok_or(Errno::INVAL)?;
    match mkdir(directory, Mode::RWXU) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// A newer file, and whatever is no file at all, is left alone.
fn copy(descriptor: &OwnedFd, source: &Stat, path: &Path) -> io::Result<()> {
    let modified = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec);
    match lstat(path) {
        Ok(there) if FileType::from_raw_mode(there.st_mode) != FileType::RegularFile => {
            return Ok(());
        }
        Ok(there) if modified(&there) >= modified(source) => return Ok(()),
        Ok(_) => {}
        Err(Errno::NOENT) => {
            make_directory_of(path)?;
        }
        Err(errno) => return Err(errno.into()),
    }
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(Errno::INVAL)?);
    name.push(format!(".{}", getpid()));
    let beside = path.with_file_name(name);
    let written = write(descriptor, source, &beside).and_then(|()| Ok(rename(&beside, path)?));
    if written.is_err() {
        let _ = unlink(&beside);
    }
    written
}

fn write(descriptor: &OwnedFd, source: &Stat, path: &Path) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut target = std::fs::File::from(open(path, flags, Mode::RUSR | Mode::WUSR)?);
    let mut buffer = [0; 1 << 14];
    let mut at = 0;
    loop {
        // Not by the descriptor's own place in the file, which others share.
        let length = pread(descriptor, &mut buffer, at)?;
        if length == 0 {
            break;
        }
        at += length as u64;
        if at > MOST {
            return Err(Errno::FBIG.into());
        }
        target.write_all(&buffer[..length])?;
    }
    let time = |tv_sec, tv_nsec: u64| Timespec {
        tv_sec,
        tv_nsec: tv_nsec.cast_signed(),
    };
    let times = Timestamps {
        last_access: time(source.st_atime, source.st_atime_nsec),
        last_modification: time(source.st_mtime, source.st_mtime_nsec),
    };
    futimens(&target, &times)?;
    Ok(fchmod(
        &target,
        Mode::from_raw_mode(source.st_mode & 0o777),
    )?)
}

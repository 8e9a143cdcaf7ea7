//! Files that somebody else may have made into anything.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::process::getuid;

/// The content of a regular file of at most `most` bytes. A FIFO or a device is not waited for.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_of(path, most, None)
}

/// The same of a file of the user's own; another's is one that the user may not read.
pub fn read_own(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_of(path, most, Some(getuid().as_raw()))
}

fn read_of(path: &Path, most: u64, owner: Option<u32>) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file"));
    }
    if owner.is_some_and(|owner| owner != stat.st_uid) {
        return Err(Errno::ACCESS.into());
    }
    let mut content = Vec::new();
    File::from(file).take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other("it is too long"));
    }
    Ok(content)
}

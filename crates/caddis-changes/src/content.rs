//! What is in files: compared, or read to be shown.

use crate::entry::{Entry, Name};
use rustix::fs::{FileType, SeekFrom, fstat, seek};
use rustix::io::{Errno, pread, retry_on_intr};
use std::os::fd::OwnedFd;

/// How much is read at once.
const CHUNK: usize = 1 << 16;

/// Two buffers that are used again and again.
#[derive(Debug)]
pub(crate) struct Comparer {
    below: Vec<u8>,
    upper: Vec<u8>,
}

impl Comparer {
    pub(crate) fn new() -> Comparer {
        Comparer {
            below: vec![0; CHUNK],
            upper: vec![0; CHUNK],
        }
    }

    /// Whether two of the same kind differ. A file of the base that the user cannot open is never compared: whether
    /// a guess equals it is not to be learnt here.
    pub(crate) fn differ(
        &mut self,
        (old, below): (&Entry, Name<'_>),
        (new, upper): (&Entry, Name<'_>),
    ) -> bool {
        match new.kind {
            FileType::RegularFile if old.size != new.size => true,
            FileType::RegularFile if new.size == 0 => false,
            FileType::RegularFile => {
                // The base's first: without it there is nothing to compare. What is no file any more cannot be read
                // at a place, which is a difference.
                let same = below.open().and_then(|below| {
                    let upper = upper.open()?;
                    self.same(&below, &upper, old.size, old.sparse || new.sparse)
                });
                !same.unwrap_or(false)
            }
            FileType::Symlink => match (below.target(), upper.target()) {
                (Ok(below), Ok(upper)) => below != upper,
                _ => true,
            },
            FileType::CharacterDevice | FileType::BlockDevice => old.device != new.device,
            _ => false,
        }
    }

    /// Whether two files of `size` bytes hold the same. Where both have a hole nothing is read.
    fn same(
        &mut self,
        below: &OwnedFd,
        upper: &OwnedFd,
        size: u64,
        sparse: bool,
    ) -> Result<bool, Errno> {
        let mut at = 0;
        while at < size {
            if sparse {
                at = data(below, at, size)?.min(data(upper, at, size)?);
            }
            let wanted = usize::try_from(size - at).unwrap_or(CHUNK).min(CHUNK);
            let one = fill(below, &mut self.below[..wanted], at)?;
            let other = fill(upper, &mut self.upper[..wanted], at)?;
            if self.below[..one] != self.upper[..other] {
                return Ok(false);
            }
            // Both have become shorter meanwhile.
            if one < wanted {
                break;
            }
            at += wanted as u64;
        }
        Ok(true)
    }
}

/// Where data begins, from `at` on.
fn data(file: &OwnedFd, at: u64, size: u64) -> Result<u64, Errno> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(start) => Ok(start),
        Err(Errno::NXIO) => Ok(size),
        // A file system that does not know: all of it is data.
        Err(Errno::INVAL) => Ok(at),
        Err(errno) => Err(errno),
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &OwnedFd, buffer: &mut [u8], from: u64) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        let at = from + filled as u64;
        match retry_on_intr(|| pread(file, &mut buffer[filled..], at))? {
            0 => break,
            length => filled += length,
        }
    }
    Ok(filled)
}

/// What is in a file or a link, to be shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// It is neither a file nor a link.
    None,
    /// More than is shown.
    TooLarge,
    /// The user cannot read it, or it has been replaced meanwhile.
    Unreadable,
}

/// Reads what `entry` holds, but no more than `most` bytes.
#[must_use]
pub fn read(entry: &Entry, name: Name<'_>, most: usize) -> Content {
    match entry.kind {
        FileType::Symlink => name.target().map_or(Content::Unreadable, Content::Bytes),
        FileType::RegularFile if entry.size > most as u64 => Content::TooLarge,
        FileType::RegularFile => {
            let read = name.open().and_then(|file| {
                if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
                    return Err(Errno::STALE);
                }
                let size = usize::try_from(entry.size).unwrap_or(most);
                let mut bytes = vec![0; size];
                let length = fill(&file, &mut bytes, 0)?;
                bytes.truncate(length);
                Ok(bytes)
            });
            read.map_or(Content::Unreadable, Content::Bytes)
        }
        _ => Content::None,
    }
}

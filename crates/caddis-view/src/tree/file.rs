//! What a single file has: data, owner, mode, times, extended attributes.

use rustix::fs::{
    Mode, Stat, Timespec, Timestamps, XattrFlags, fchmod, fchown, fgetxattr, flistxattr, fsetxattr,
    fstat, futimens,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::OwnedFd;

/// Copies the data of a file of which `stat` is, keeping its holes. One that becomes shorter meanwhile ends where it
/// ends then.
pub fn copy_data(source: &OwnedFd, target: &OwnedFd, stat: &Stat) -> Result<(), Errno> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(source, rustix::fs::SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        let end = rustix::fs::seek(source, rustix::fs::SeekFrom::Hole(start))?;
        at = copy_range(source, target, start..end)?;
        if at < end {
            return rustix::fs::ftruncate(target, at);
        }
    }
    rustix::fs::ftruncate(target, size)
}

/// Copies a part of a file. Returns where it ends, which is earlier if the file has become shorter.
fn copy_range(source: &OwnedFd, target: &OwnedFd, range: Range<u64>) -> Result<u64, Errno> {
    let (mut read_at, mut write_at) = (range.start, range.start);
    let mut buffer = Vec::new();
    while read_at < range.end {
        let left = usize::try_from(range.end - read_at).unwrap_or(usize::MAX);
        let (from, to) = (Some(&mut read_at), Some(&mut write_at));
        match rustix::fs::copy_file_range(source, from, target, to, left.min(1 << 24)) {
            Ok(0) => break,
            Ok(_) => {}
            // Between two file systems of different types.
            Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::INVAL) => {
                buffer.resize(left.min(1 << 20), 0);
                let length = rustix::io::pread(source, &mut buffer[..], read_at)?;
                if length == 0 {
                    break;
                }
                let written = rustix::io::pwrite(target, &buffer[..length], read_at)?;
                read_at += u64::try_from(written).unwrap_or(0);
                write_at = read_at;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(read_at)
}

/// Copies owner, mode, times and those extended attributes that are `wanted` by their name.
pub fn copy_attributes(
    source: &OwnedFd,
    target: &OwnedFd,
    wanted: impl Fn(&CStr) -> bool,
) -> Result<(), Errno> {
    let stat = fstat(source)?;
    fchown(
        target,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )?;
    // After the owner, whose change clears setuid bits and capabilities.
    fchmod(target, Mode::from_raw_mode(stat.st_mode))?;
    let mut list = vec![0_u8; 65536];
    let length = flistxattr(source, &mut list[..])?;
    for name in list[..length].split_inclusive(|byte| *byte == 0) {
        let Some(name) = CStr::from_bytes_with_nul(name)
            .ok()
            .filter(|name| wanted(name))
        else {
            continue;
        };
        let mut value = vec![0_u8; 65536];
        let length = fgetxattr(source, name, &mut value[..])?;
        fsetxattr(target, name, &value[..length], XattrFlags::empty())?;
    }
    futimens(target, &times(&stat))
}

/// The times of a file, for it or another to be given them.
#[must_use]
pub fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

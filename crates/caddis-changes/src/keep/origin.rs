//! When a user's copy of a file of the base was taken: a try that only changes an attribute of the copy copies it
//! once more, and the copy's own time of birth would say that it is younger than what the base has become meanwhile.

use caddis_view::Result;
use caddis_view::error::{Context, shown};
use caddis_view::overlayfs::ORIGIN;
use caddis_view::tree::{TAKEN, path_of};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, StatxFlags, XattrFlags, fgetxattr, fsetxattr, fstat, openat,
    statx,
};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::OwnedFd;

/// Has the file `name` of a try remember when the environment's was taken, if it is a copy of that.
pub(super) fn remember(
    from_try: &OwnedFd,
    name: &CStr,
    environment: Option<&OwnedFd>,
) -> Result<()> {
    let Some(environment) = environment else {
        return Ok(());
    };
    let remember = || -> std::result::Result<(), Errno> {
        let (Some(file), Some(former)) = (regular(from_try, name)?, regular(environment, name)?)
        else {
            return Ok(());
        };
        if !has(&file, ORIGIN)? || has(&file, TAKEN)? {
            return Ok(());
        }
        let born = statx(&former, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME)?;
        if born.stx_mask & StatxFlags::BTIME.bits() == 0 {
            return Ok(());
        }
        let (seconds, nanoseconds) = (born.stx_btime.tv_sec, born.stx_btime.tv_nsec);
        let text = format!(
            "{}",
            i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
        );
        fsetxattr(&file, TAKEN, text.as_bytes(), XattrFlags::empty())
    };
    remember().doing("note the age of", || shown(name))
}

/// Opens a regular file; what is none, a FIFO for one, is not opened.
fn regular(directory: &OwnedFd, name: &CStr) -> std::result::Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    rustix::fs::open(
        path_of(&found),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map(Some)
}

fn has(file: &OwnedFd, attribute: &CStr) -> std::result::Result<bool, Errno> {
    match fgetxattr(file, attribute, &mut [0_u8; 0][..]) {
        Ok(_) | Err(Errno::RANGE) => Ok(true),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno),
    }
}

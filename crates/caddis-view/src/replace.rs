//! A file of root's that is written as a whole: under a temporary name first, which then becomes
//! its name. A reader finds the former content or the new one.
//!
//! A caller can kill a writer at any moment, so the temporary name says which process writes. The
//! next writer removes what dead ones have left: their number stays small, however many are killed.

use crate::credentials::{as_writer, give_to_root};
use crate::error::{Context, Result, write_all};
use crate::process::Stat;
use crate::store::entries;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fsync, openat, renameat_with, unlinkat};
use rustix::thread::gettid;
use std::os::fd::AsFd;

/// Writes the file `name` in `directory`. `prefix` is how its temporary names begin; the writer's
/// number follows. Quotas and a file system's reserve apply to it as to the user's own files, until
/// it is complete.
pub fn replace(
    directory: impl AsFd,
    prefix: &str,
    name: &str,
    content: &[u8],
    flags: RenameFlags,
) -> Result<()> {
    let directory = directory.as_fd();
    remove_unfinished(directory, prefix)?;
    // A thread's number, since two threads of a program may write the same file.
    let new = format!("{prefix}{}", gettid().as_raw_nonzero());
    let _ = unlinkat(directory, &new, AtFlags::empty());
    let open = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let written = as_writer(|| {
        openat(directory, &new, open, Mode::RUSR | Mode::WUSR)
            .and_then(|file| write_all(&file, content).and_then(|()| fsync(&file)))
            .and_then(|()| give_to_root(directory, &new))
            .and_then(|()| renameat_with(directory, &new, directory, name, flags))
            .doing("write", || name)
    });
    if written.is_err() {
        let _ = unlinkat(directory, &new, AtFlags::empty());
    }
    written
}

/// Removes what dead writers have left.
pub fn remove_unfinished(directory: impl AsFd, prefix: &str) -> Result<()> {
    let directory = directory.as_fd();
    for name in entries(directory)? {
        if let Some(Ok(writer)) = name.strip_prefix(prefix).map(str::parse)
            && !lives(writer)?
        {
            let _ = unlinkat(directory, &name, AtFlags::empty());
        }
    }
    Ok(())
}

/// Its parent may keep a dead process for as long as it likes.
fn lives(writer: i32) -> Result<bool> {
    Ok(Stat::of(writer)?.is_some_and(|stat| !['Z', 'X'].contains(&stat.state)))
}

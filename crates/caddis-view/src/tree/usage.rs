//! How much space a tree takes.

use super::{duplicate, names, open_directory};
use crate::error::{Context, Result, shown};
use rustix::fs::{AtFlags, FileType, Stat, statat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

/// The space that the tree `name` takes, in bytes of allocated blocks; hard links count once.
pub fn disk_usage(parent: impl AsFd, name: &CStr) -> Result<u64> {
    let mut total = 0;
    let mut links = HashMap::new();
    walk(parent, name, &mut |_, _, stat| {
        let blocks = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        if stat.st_nlink <= 1
            || FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            || links.insert((stat.st_dev, stat.st_ino), ()).is_none()
        {
            total += blocks;
        }
        Ok(())
    })?;
    Ok(total)
}

/// Visits a tree: the directory that holds the entry, its name, its attributes; a directory before
/// what is in it. What vanishes meanwhile is passed over.
fn walk(
    parent: impl AsFd,
    name: &CStr,
    visit: &mut dyn FnMut(&OwnedFd, &CStr, &Stat) -> Result<()>,
) -> Result<()> {
    let mut stack = vec![(Rc::new(duplicate(parent)?), name.to_owned(), 0_usize)];
    while let Some((directory, name, depth)) = stack.pop() {
        let stat = match statat(&*directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(errno).doing("stat", || shown(&name)),
        };
        visit(&directory, &name, &stat)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && depth < MAX_DEPTH {
            let next = match open_directory(&*directory, &name) {
                Ok(next) => Rc::new(next),
                Err(Errno::NOENT | Errno::XDEV | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => return Err(errno).doing("open", || shown(&name)),
            };
            let children = names(&*next).doing("list", || shown(&name))?;
            stack.extend(
                children
                    .into_iter()
                    .map(|(child, _)| (next.clone(), child, depth + 1)),
            );
        }
    }
    Ok(())
}

/// Deeper trees are not measured further: each level keeps a descriptor.
const MAX_DEPTH: usize = 400;

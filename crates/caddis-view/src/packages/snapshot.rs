//! Root's copies of the base's package database: `STATE/packages/N`, of which the highest number counts.
//!
//! Each is one file: a line that tells by which files of the base it was made, so that a start finds out for the price
//! of a few stat(2) whether it is still right; then the content of each. Only what everybody may read on the host is
//! in there.

use super::{FILES, INFO, LIBRARY, MOST, MOST_NAMES, TRIGGERS};
use crate::error::{Context, Error, Result};
use crate::replace::{remove_unfinished, replace};
use crate::store::{entries, root_directory, top_directory};
use caddis_packages::{Base, STATUS};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, flock, fstat, openat,
    statat, unlinkat,
};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The copies.
#[derive(Debug)]
pub(super) struct Snapshots {
    directory: OwnedFd,
}

impl Snapshots {
    /// Opens them. Until it is dropped, nobody removes one.
    pub(super) fn open(state: &Path) -> Result<Snapshots> {
        let directory = root_directory(top_directory(state)?, "packages", true)?;
        flock(&directory, FlockOperation::LockShared).doing("lock", || "the package databases")?;
        Ok(Snapshots { directory })
    }

    /// The number of the base's database as it is now; a copy is made if there is none. `None`: the host has no
    /// database of dpkg's that everybody may read.
    pub(super) fn current(&self) -> Result<Option<u64>> {
        loop {
            let Some(stamp) = stamp() else {
                return Ok(None);
            };
            let newest = self.numbers()?.into_iter().max();
            if let Some(newest) = newest
                && self.stamp_of(newest)? == stamp
            {
                return Ok(Some(newest));
            }
            // Never one again that an environment may remember, should these copies be lost.
            let now = clock_gettime(ClockId::Realtime);
            let now = now.tv_sec.saturating_mul(1_000_000_000) + now.tv_nsec;
            let now = u64::try_from(now).unwrap_or(0);
            let number = now.max(newest.unwrap_or(0) + 1);
            if self.take(number, &stamp)? {
                return Ok(Some(number));
            }
        }
    }

    /// Reads one. `None`: it is gone, or nothing that we have written.
    pub(super) fn load(&self, number: u64) -> Result<Option<Base>> {
        match self.open_one(number) {
            Ok(file) => Ok(parse(&read(file, 4 * MOST)?)),
            Err(error) if error.errno == Some(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes all but those `used` and the newest, unless somebody else is at work.
    pub(super) fn remove_others(&self, used: impl FnOnce() -> Result<BTreeSet<u64>>) -> Result<()> {
        remove_unfinished(&self.directory, UNFINISHED)?;
        let mut numbers = self.numbers()?;
        numbers.pop_last();
        if numbers.is_empty()
            || flock(&self.directory, FlockOperation::NonBlockingLockExclusive).is_err()
        {
            return Ok(());
        }
        let used = used()?;
        for number in numbers.difference(&used) {
            let name = number.to_string();
            unlinkat(&self.directory, &name, AtFlags::empty()).doing("remove", || &name)?;
        }
        flock(&self.directory, FlockOperation::LockShared).doing("lock", || "the package databases")
    }

    fn numbers(&self) -> Result<BTreeSet<u64>> {
        let names = entries(&self.directory)?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn open_one(&self, number: u64) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = number.to_string();
        openat(&self.directory, &name, flags, Mode::empty()).doing("open", || name)
    }

    fn stamp_of(&self, number: u64) -> Result<String> {
        let mut start = [0; 1024];
        let length = rustix::io::read(self.open_one(number)?, &mut start)
            .doing("read", || "a copy of the package database")?;
        let line = start[..length].split(|byte| *byte == b'\n').next();
        Ok(String::from_utf8_lossy(line.unwrap_or_default()).into_owned())
    }

    /// `false`: somebody else was quicker.
    fn take(&self, number: u64, stamp: &str) -> Result<bool> {
        let text = write(stamp, &base()?);
        let flags = RenameFlags::NOREPLACE;
        match replace(
            &self.directory,
            UNFINISHED,
            &number.to_string(),
            &text,
            flags,
        ) {
            Err(error) if error.errno == Some(Errno::EXIST) => Ok(false),
            Err(error) => Err(error
                .with_operation("make")
                .with_object("a copy of the package database")),
            Ok(()) => Ok(true),
        }
    }
}

/// How the temporary names of copies begin.
const UNFINISHED: &str = ".new-";

/// What tells whether the base's database has changed. `None`: there is none for everybody.
fn stamp() -> Option<String> {
    let one = |path: &str| {
        let full = format!("{LIBRARY}/{path}");
        statat(CWD, full, AtFlags::SYMLINK_NOFOLLOW).ok()
    };
    if !["dpkg", "apt"]
        .iter()
        .all(|path| one(path).is_none_or(|stat| stat.st_mode & 0o005 == 0o005))
        || one(STATUS)?.st_mode & 0o004 == 0
    {
        return None;
    }
    let paths = FILES.into_iter().chain([TRIGGERS, INFO]);
    let stamps = paths.map(|path| match one(path) {
        Some(stat) => format!(
            "{}.{}.{}.{}.{}",
            stat.st_ino, stat.st_size, stat.st_mode, stat.st_ctime, stat.st_ctime_nsec
        ),
        None => "-".to_owned(),
    });
    Some(stamps.collect::<Vec<_>>().join(" "))
}

/// The base's database.
fn base() -> Result<Base> {
    let mut base = Base::default();
    for name in names(INFO)? {
        base.info.insert(name);
    }
    let triggers = names(TRIGGERS)?;
    let triggers = triggers
        .iter()
        .filter_map(|name| std::str::from_utf8(name).ok());
    let paths = FILES.into_iter().map(str::to_owned);
    for path in paths.chain(triggers.map(|name| format!("{TRIGGERS}/{name}"))) {
        let full = format!("{LIBRARY}/{path}");
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(CWD, &full, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => continue,
            Err(errno) => return Err(errno).doing("open", || full),
        };
        let stat = fstat(&file).doing("stat", || &full)?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if regular && stat.st_mode & 0o004 != 0 {
            base.files.insert(path, read(file, MOST)?);
        }
    }
    Ok(base)
}

/// The names in a directory of the base.
fn names(path: &str) -> Result<BTreeSet<Vec<u8>>> {
    let full = format!("{LIBRARY}/{path}");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let list = || {
        let directory = openat(CWD, &full, flags, Mode::empty())?;
        if fstat(&directory)?.st_mode & 0o005 != 0o005 {
            return Ok(BTreeSet::new());
        }
        let entries = Dir::new(directory)?.take(MOST_NAMES);
        entries
            .map(|entry| Ok(entry?.file_name().to_bytes().to_vec()))
            .collect()
    };
    match list() {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(BTreeSet::new()),
        other => other.doing("list", || &full),
    }
}

fn read(file: OwnedFd, most: usize) -> Result<Vec<u8>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let object = "the package database of the host";
    let file = std::fs::File::from(file);
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::refused("read", object, error))?;
    if bytes.len() > most {
        return Err(Error::refused("read", object, "it is too large"));
    }
    Ok(bytes)
}

/// After the stamp, for each file a line with its name and its size, then its content.
fn write(stamp: &str, base: &Base) -> Vec<u8> {
    let mut text = format!("{stamp}\n").into_bytes();
    let info = base.info.iter().flat_map(|name| [name.as_slice(), b"\0"]);
    let info = info.flatten().copied().collect::<Vec<u8>>();
    let files = base
        .files
        .iter()
        .map(|(path, content)| (path.as_str(), content));
    for (path, content) in files.chain([(INFO, &info)]) {
        text.extend(format!("{} {path}\n", content.len()).into_bytes());
        text.extend_from_slice(content);
    }
    text
}

fn parse(text: &[u8]) -> Option<Base> {
    let mut base = Base::default();
    let line = |text: &[u8]| text.iter().position(|byte| *byte == b'\n');
    let mut rest = text.get(line(text)? + 1..)?;
    while !rest.is_empty() {
        let end = line(rest)?;
        let head = std::str::from_utf8(&rest[..end]).ok()?;
        let (size, path) = head.split_once(' ')?;
        let (content, others) = rest[end + 1..].split_at_checked(size.parse().ok()?)?;
        if path == INFO {
            let names = content
                .split(|byte| *byte == 0)
                .filter(|name| !name.is_empty());
            base.info = names.map(<[u8]>::to_vec).collect();
        } else {
            base.files.insert(path.to_owned(), content.to_vec());
        }
        rest = others;
    }
    Some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_can_be_read_again_and_a_broken_one_is_none() {
        let base = Base {
            files: [
                (STATUS.to_owned(), b"Package: a\n\n7 b\n".to_vec()),
                ("dpkg/triggers/odd name".to_owned(), Vec::new()),
            ]
            .into(),
            info: [b"a.list".to_vec(), b"b\n.list".to_vec()].into(),
        };
        let text = write("1 2 -", &base);
        assert_eq!(parse(&text), Some(base));
        assert_eq!(parse(&text[..text.len() - 1]), None);
        assert_eq!(parse(b"1\n9 x"), None);
        assert_eq!(parse(b""), None);
    }
}

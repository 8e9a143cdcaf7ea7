//! What is remembered of an environment: which copies of the base's database its own one may come from, as an
//! extended attribute of its directory, which costs no room; and a file of what its user should know.

use crate::credentials::{as_writer, give_to_root};
use crate::error::{Context, Result, write_all};
use rustix::fs::{
    AtFlags, Mode, OFlags, XattrFlags, fgetxattr, fsetxattr, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

/// The attribute.
const MARK: &std::ffi::CStr = c"trusted.caddis.packages";

/// The file.
const FILE: &str = "packages";
const NEW: &str = "packages.new";

/// The most copies of the base's that one database is taken to come from, and the most that is told of it.
const MOST_MARKS: usize = 4;
const MOST_TOLD: usize = 1 << 20;

/// The numbers of the copies, the earliest first; empty: nobody knows.
pub(super) fn marks(environment: impl AsFd) -> Result<Vec<u64>> {
    let mut value = [0; 128];
    match fgetxattr(environment, MARK, &mut value[..]) {
        Ok(length) => {
            let text = std::str::from_utf8(&value[..length]).unwrap_or_default();
            Ok(text
                .split(' ')
                .filter_map(|number| number.parse().ok())
                .collect())
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(Vec::new()),
        Err(errno) => Err(errno).doing("read the mark of", || "the environment"),
    }
}

/// Remembers them, unless they are what is remembered already (`former`).
pub(super) fn mark(environment: impl AsFd, former: &[u64], numbers: &[u64]) -> Result<()> {
    if former == numbers {
        return Ok(());
    }
    let text: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let text = text.join(" ");
    as_writer(|| {
        fsetxattr(environment, MARK, text.as_bytes(), XattrFlags::empty())
            .doing("mark", || "the environment")
    })
}

/// A copy of an environment comes from what its original comes from.
pub(crate) fn copy_mark(from: impl AsFd, to: impl AsFd) -> Result<()> {
    mark(to, &[], &marks(from)?)
}

/// The same with one more. The earliest and the latest are kept when there are many.
pub(super) fn with(numbers: &[u64], number: u64) -> Vec<u64> {
    let mut all = numbers.to_vec();
    if !all.contains(&number) {
        all.push(number);
    }
    if all.len() > MOST_MARKS {
        all.remove(1);
    }
    all
}

/// What there is to tell of an environment's packages, a line of fields each: conflicts (`package=`, `base=`, `user=`),
/// files that could not be merged (`left=`, `reason=`), why nothing could be (`failed=`).
pub fn lines(environment: &OwnedFd) -> Result<Vec<String>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(environment, FILE, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(errno).doing("open", || FILE),
    };
    let (mut text, limit) = (String::new(), u64::try_from(MOST_TOLD).unwrap_or(0));
    // One that is no text is none of ours.
    let _ = file.take(limit).read_to_string(&mut text);
    Ok(text.lines().map(str::to_owned).collect())
}

/// Replaces what there is to tell.
pub(super) fn tell(environment: &OwnedFd, lines: &[String]) -> Result<()> {
    if lines == self::lines(environment)? {
        return Ok(());
    }
    if lines.is_empty() {
        return match unlinkat(environment, FILE, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno).doing("remove", || FILE),
        };
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    as_writer(|| {
        openat(environment, NEW, flags, Mode::RUSR | Mode::WUSR)
            .and_then(|file| write_all(file, text.as_bytes()))
            .and_then(|()| give_to_root(environment, NEW))
            .and_then(|()| renameat(environment, NEW, environment, FILE))
            .doing("write", || FILE)
    })
}

/// What was told before, and why it could not be looked at anew.
pub(super) fn tell_failure(environment: &OwnedFd, reason: &str) -> Result<()> {
    let mut all = lines(environment)?;
    all.retain(|line| !line.starts_with("failed="));
    all.push(format!("failed={reason}"));
    tell(environment, &all)
}

/// The packages that are named in there.
pub(super) fn named(lines: &[String]) -> BTreeSet<String> {
    let package = |line: &String| {
        Some(
            line.strip_prefix("package=")?
                .split('\t')
                .next()?
                .to_owned(),
        )
    };
    lines.iter().filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_and_the_latest_are_kept() {
        let mut all = Vec::new();
        for number in [3, 3, 5, 6, 7, 9] {
            all = with(&all, number);
        }
        assert_eq!(all, [3, 6, 7, 9]);
    }

    #[test]
    fn packages_are_read_from_the_lines() {
        let lines = [
            "package=a\tbase=1\tuser=2",
            "left=dpkg/arch\treason=x",
            "failed=y",
        ];
        let named = named(&lines.map(str::to_owned));
        assert_eq!(named.into_iter().collect::<Vec<_>>(), ["a"]);
    }
}

//! A way down a tree, by descriptor.

use super::open_beneath;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How many levels are kept open. Deeper ones are looked up again from the last of these.
const MOST: usize = 200;

/// The directories from the top of a tree to the one that was asked for last. They are kept open,
/// so that the next one, which is usually near, needs one look-up instead of one for each directory
/// above it.
#[derive(Debug)]
pub struct Trail {
    flags: OFlags,
    top: OwnedFd,
    names: Vec<OsString>,
    open: Vec<OwnedFd>,
    /// The last one, if it is deeper than those.
    deep: Option<OwnedFd>,
}

impl Trail {
    /// One that begins at `top`. Directories are opened with `flags`.
    #[must_use]
    pub fn new(top: OwnedFd, flags: OFlags) -> Trail {
        Trail {
            flags: flags | OFlags::DIRECTORY,
            top,
            names: Vec::new(),
            open: Vec::new(),
            deep: None,
        }
    }

    /// The directory `path`, relative to the top: through no link, and on no other file system.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn to(&mut self, path: &Path) -> Result<&OwnedFd, Errno> {
        let wanted = path.components().map(|one| one.as_os_str());
        let common = wanted
            .clone()
            .zip(&self.names)
            .take_while(|(wanted, name)| wanted == name)
            .count();
        let depth = wanted.clone().count();
        if common == depth && common == self.names.len() {
            return Ok(self.last());
        }
        // A walk makes the tree in steps of one level; otherwise, only the common part is of use.
        if common < self.names.len() || depth > common + 1 {
            self.deep = None;
            self.names.truncate(common.min(MOST));
            self.open.truncate(common.min(MOST));
        }
        for name in wanted.clone().take(MOST).skip(self.open.len()) {
            let directory = open_beneath(self.last(), Path::new(name), self.flags)?;
            self.open.push(directory);
            self.names.push(name.to_owned());
        }
        if depth > MOST {
            let known = if self.deep.is_some() { common } else { MOST };
            let rest: PathBuf = wanted.clone().skip(known).collect();
            self.deep = Some(open_beneath(self.last(), &rest, self.flags)?);
            self.names = wanted.map(ToOwned::to_owned).collect();
        }
        Ok(self.last())
    }

    fn last(&self) -> &OwnedFd {
        let open = self.deep.as_ref().or(self.open.last());
        open.unwrap_or(&self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::super::duplicate;
    use super::*;
    use rustix::fs::{CWD, Mode, mkdirat, open};

    /// The directory that a trail leads to is the one that a look-up from the top finds.
    #[test]
    fn it_leads_where_a_look_up_from_the_top_leads() {
        let name = format!(
            "{}/caddis-trail-{}",
            std::env::temp_dir().display(),
            std::process::id()
        );
        mkdirat(CWD, &name, Mode::RWXU).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = open(&name, flags, Mode::empty()).unwrap();
        let deep: PathBuf = std::iter::repeat_n("d", MOST + 20).collect();
        let mut trail = Trail::new(duplicate(&top).unwrap(), OFlags::RDONLY);
        let mut paths: Vec<PathBuf> = deep.ancestors().map(Path::to_owned).collect();
        paths.reverse();
        for path in &paths[1..] {
            let above = trail.to(path.parent().unwrap()).unwrap();
            mkdirat(above, path.file_name().unwrap(), Mode::RWXU).unwrap();
        }
        for depth in [
            0,
            3,
            1,
            MOST,
            MOST + 1,
            MOST + 20,
            MOST + 5,
            2,
            MOST + 20,
            MOST + 19,
            MOST - 1,
        ] {
            let path = &paths[depth];
            let expected = rustix::fs::fstat(open_beneath(&top, path, flags).unwrap()).unwrap();
            let found = rustix::fs::fstat(trail.to(path).unwrap()).unwrap();
            assert_eq!(found.st_ino, expected.st_ino, "{depth}");
            // One that is not there changes nothing.
            assert_eq!(trail.to(&path.join("none")).unwrap_err(), Errno::NOENT);
            let again = rustix::fs::fstat(trail.to(path).unwrap()).unwrap();
            assert_eq!(again.st_ino, expected.st_ino, "{depth}");
        }
        std::fs::remove_dir_all(name).unwrap();
    }
}

//! Reads an upper layer. Directories are opened one at a time, by their path from the layer's root: a user can nest
//! more of them than there are descriptors.

use super::below::{Below, Look};
use super::plan::{Change, Kind, Step, is_directory, open_beneath, shown, split};
use super::substitute::same_attributes;
use super::uppers::Upper;
use caddis_view::error::Context;
use caddis_view::overlayfs::{Marks, Redirect, is_whiteout, marks};
use caddis_view::{Error, Result, tree};
use rustix::fs::{AtFlags, Dir, FileType, Stat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Collects the steps of one layer.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    top: &'a OwnedFd,
    below: &'a Below<'a>,
    upper: &'a Upper,
    pub(super) steps: Vec<Step>,
}

/// Where a directory of the layer stands in the layers below.
#[derive(Debug, Clone)]
struct Standing {
    /// What shows through it.
    lower: Option<PathBuf>,
    /// What would, had the user left all directories above it as they were.
    natural: Option<PathBuf>,
}

impl Standing {
    fn top() -> Standing {
        let root = Some(PathBuf::new());
        Standing {
            lower: root.clone(),
            natural: root,
        }
    }

    /// That of the directory `name` in it.
    fn of(&self, name: &OsStr, marks: &Marks) -> Standing {
        let beside = |name: &OsStr| self.lower.as_ref().map(|lower| lower.join(name));
        let lower = match &marks.redirect {
            _ if marks.opaque => None,
            Some(Redirect::Absolute(path)) => {
                Some(path.strip_prefix("/").unwrap_or(path).to_owned())
            }
            Some(Redirect::Sibling(former)) => beside(former),
            None => beside(name),
        };
        let natural = self.natural.as_ref().map(|natural| natural.join(name));
        Standing { lower, natural }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(top: &'a OwnedFd, below: &'a Below<'a>, upper: &'a Upper) -> Walk<'a> {
        Walk {
            top,
            below,
            upper,
            steps: Vec::new(),
        }
    }

    /// Adds the steps for a named path.
    pub(super) fn operand(&mut self, path: &Path) -> Result<()> {
        let plain = |component: Component<'_>| matches!(component, Component::Normal(_));
        if !path.components().all(plain) {
            return Err(self.refused(path, "it leads out of a directory by `..`"));
        }
        if path == Path::new("") {
            return self.directory(path, &Standing::top());
        }
        let mut standing = Standing::top();
        let mut walked = PathBuf::new();
        for component in path.parent().unwrap_or(Path::new("")).components() {
            let at = walked.join(component);
            let Some(stat) = self.stat(&at)? else {
                return self.not_changed(&at, &standing);
            };
            if !is_directory(stat.st_mode) {
                let what = if is_whiteout(&stat) {
                    "you removed"
                } else {
                    "you have put something else at"
                };
                let at = shown(self.upper, &at);
                let reason = format!("{what} {}, above it", at.display());
                return Err(self
                    .refused(path, &reason)
                    .hint(format!("give up {}", at.display())));
            }
            standing = standing.of(component.as_os_str(), &self.marks(&at)?);
            walked = at;
        }
        let hidden = standing.lower.is_none();
        let Some(stat) = self.stat(path)? else {
            return if hidden {
                self.hides(path, &standing)
            } else {
                Ok(())
            };
        };
        if hidden {
            self.hides(path, &standing)?;
        }
        self.entry(path, &stat, &standing)
    }

    /// A directory of the user's own hides the base's: one path of it cannot be given back alone.
    fn hides(&self, path: &Path, standing: &Standing) -> Result<()> {
        let name = path.file_name().unwrap_or_default();
        match standing
            .natural
            .as_ref()
            .map(|natural| self.below.look(&natural.join(name)))
        {
            None | Some(Look::Nothing) => Ok(()),
            Some(_) => {
                let reason = "the directory that it is in is your own, and hides the base's";
                Err(self.refused(path, reason).hint("give up that directory"))
            }
        }
    }

    /// A directory on the way is not in the changes. It may be a link of the base's, and so lead to them.
    fn not_changed(&self, at: &Path, standing: &Standing) -> Result<()> {
        let name = at.file_name().unwrap_or_default();
        let Some(lower) = &standing.lower else {
            return Ok(());
        };
        match self.below.look(&lower.join(name)) {
            Look::Other(_, stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                Err(self
                    .refused(at, "it is a symbolic link, which is not followed")
                    .hint("name the path that it leads to"))
            }
            _ => Ok(()),
        }
    }

    fn refused(&self, path: &Path, reason: &str) -> Error {
        Error::refused(
            "give up your version of",
            shown(self.upper, path).display(),
            reason,
        )
    }

    /// All entries of a directory through which the base shows, and its own attributes.
    fn directory(&mut self, path: &Path, standing: &Standing) -> Result<()> {
        let mut waiting = vec![(path.to_owned(), standing.clone())];
        while let Some((path, standing)) = waiting.pop() {
            let object = || shown(self.upper, &path).display().to_string();
            let directory = match open_beneath(self.top, &path) {
                Ok(directory) => directory,
                // Somebody inside was faster.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => return Err(errno).doing("open", object),
            };
            self.attributes(&path, &directory, &standing)?;
            for (name, _) in tree::names(&directory).doing("list", object)? {
                let at = path.join(OsStr::from_bytes(name.to_bytes()));
                let stat = match statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => stat,
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(errno).doing("stat", object),
                };
                match self.merged(&at, &stat, &standing)? {
                    Some(merged) => waiting.push((at, merged)),
                    None => self.entry_alone(&at, &stat, &standing)?,
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, stat: &Stat, parent: &Standing) -> Result<()> {
        match self.merged(path, stat, parent)? {
            Some(merged) => self.directory(path, &merged),
            None => self.entry_alone(path, stat, parent),
        }
    }

    /// Where a directory stands that shows the base's of its own name; `None`: it is something else.
    fn merged(&self, path: &Path, stat: &Stat, parent: &Standing) -> Result<Option<Standing>> {
        if !is_directory(stat.st_mode) {
            return Ok(None);
        }
        let name = path.file_name().unwrap_or_default();
        let own = parent.of(name, &self.marks(path)?);
        let same =
            own.lower.is_some() && own.lower == parent.lower.as_ref().map(|lower| lower.join(name));
        let Some(lower) = own.lower.as_deref().filter(|_| same) else {
            return Ok(None);
        };
        let shows = matches!(self.below.look(lower), Look::Directory(_) | Look::Unknown);
        Ok(shows.then_some(own))
    }

    fn entry_alone(&mut self, path: &Path, stat: &Stat, parent: &Standing) -> Result<()> {
        let name = path.file_name().unwrap_or_default();
        let natural = parent.lower.as_ref().map(|lower| lower.join(name));
        let look = natural
            .as_deref()
            .map_or(Look::Nothing, |natural| self.below.look(natural));
        let tree = is_directory(stat.st_mode);
        let (kind, change) = match look {
            _ if is_whiteout(stat) => (Kind::Whiteout, Change::Deleted),
            Look::Nothing if tree => (Kind::Tree, Change::Added),
            Look::Nothing => (Kind::File, Change::Added),
            Look::Other(_, base) if !tree && kind_of(&base) == kind_of(stat) => {
                (Kind::File, Change::Modified)
            }
            Look::Unknown if !tree => (Kind::File, Change::Modified),
            Look::Directory(_) | Look::Unknown if tree => (Kind::Tree, Change::Modified),
            _ => (if tree { Kind::Tree } else { Kind::File }, Change::Type),
        };
        let files = match kind {
            Kind::Whiteout | Kind::Attributes => 0,
            Kind::File => 1,
            Kind::Tree => count(self.top, path)?,
        };
        self.steps.push(Step {
            path: path.to_owned(),
            natural,
            kind,
            change,
            inode: stat.st_ino,
            files,
        });
        Ok(())
    }

    fn attributes(&mut self, path: &Path, directory: &OwnedFd, standing: &Standing) -> Result<()> {
        let Some(Look::Directory(base)) = standing
            .lower
            .as_deref()
            .map(|lower| self.below.look(lower))
        else {
            return Ok(());
        };
        let object = || shown(self.upper, path).display().to_string();
        if !same_attributes(self.below.identity(), &base, directory)
            .doing("compare the attributes of", object)?
        {
            let stat = rustix::fs::fstat(directory).doing("stat", object)?;
            self.steps.push(Step {
                path: path.to_owned(),
                natural: standing.lower.clone(),
                kind: Kind::Attributes,
                change: Change::Attributes,
                inode: stat.st_ino,
                files: 0,
            });
        }
        Ok(())
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let object = || shown(self.upper, path).display().to_string();
        let (parent, name) = split(path);
        let found = open_beneath(self.top, parent)
            .and_then(|parent| statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW));
        match found {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno).doing("stat", object),
        }
    }

    fn marks(&self, path: &Path) -> Result<Marks> {
        let object = || shown(self.upper, path).display().to_string();
        match open_beneath(self.top, path) {
            Ok(directory) => marks(&directory).doing("read the marks of", object),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(Marks::default()),
            Err(errno) => Err(errno).doing("open", object),
        }
    }
}

fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// How many files are in a tree of the user's. What is nested deeper than a path can be long is not counted.
fn count(top: &OwnedFd, path: &Path) -> Result<u64> {
    let mut files = 0;
    descend(top, path, &mut |_, _, directory| {
        for entry in Dir::read_from(directory)? {
            files += u64::from(entry?.file_type() != FileType::Directory);
        }
        Ok(())
    })?;
    Ok(files)
}

/// Every renamed directory of a layer: what it is called now, and where it is in the layers below.
pub(super) fn redirects(top: &OwnedFd) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    descend(top, Path::new(""), &mut |path, standing, _| {
        if let Some(lower) = &standing.lower
            && *lower != path
        {
            found.push((path.to_owned(), lower.clone()));
        }
        Ok(())
    })?;
    Ok(found)
}

type Visit<'a> = &'a mut dyn FnMut(&Path, &Standing, &OwnedFd) -> std::result::Result<(), Errno>;

/// Visits every directory of a tree.
fn descend(top: &OwnedFd, path: &Path, visit: Visit<'_>) -> Result<()> {
    let mut waiting = vec![(path.to_owned(), Standing::top())];
    while let Some((path, standing)) = waiting.pop() {
        let object = || path.display().to_string();
        let directory = match open_beneath(top, &path) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => continue,
            Err(errno) => return Err(errno).doing("open", object),
        };
        visit(&path, &standing, &directory).doing("list", object)?;
        for entry in Dir::read_from(&directory).doing("list", object)? {
            let entry = entry.doing("list", object)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if entry.file_type() == FileType::Directory && name != "." && name != ".." {
                let at = path.join(name);
                let marks = open_beneath(top, &at).and_then(marks).unwrap_or_default();
                waiting.push((at, standing.of(name, &marks)));
            }
        }
    }
    Ok(())
}

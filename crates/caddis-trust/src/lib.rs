//! Opens a file that nobody but root can change or exchange.
//!
//! A user who can write a directory can exchange what lies in it. So the file, each directory on
//! the way to it, and each directory on the way through symbolic links must belong to root and be
//! writable by nobody else. Every component is opened from the directory before it, without
//! following links, and checked through its descriptor: nothing can be exchanged between the check
//! and the use.
//!
//! The mode covers a POSIX ACL: the ACL's mask takes the place of the group's bits. A sticky
//! directory is refused as well: others can make names in it.

#![forbid(unsafe_code)]

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open as open_path, openat, readlinkat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Why a file is not trusted: the object, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file or directory that is wrong.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: Kind,
}

/// What is wrong with a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It does not exist.
    Missing,
    /// It does not belong to root.
    Owner,
    /// Others than root may write it.
    Writable,
    /// It is no regular file.
    NoFile,
    /// The kernel refuses to open it.
    Kernel(Errno),
}

impl Fault {
    /// The command that puts it right; `None`: there is none that fits every case.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let path = self.path.display();
        match self.kind {
            Kind::Owner => Some(format!("chown root: {path} && chmod go-w {path}")),
            Kind::Writable => Some(format!("chmod go-w {path}")),
            Kind::Missing | Kind::NoFile | Kind::Kernel(_) => None,
        }
    }

    /// Why, in words.
    #[must_use]
    pub fn reason(&self) -> String {
        match self.kind {
            Kind::Missing => "there is none".to_owned(),
            Kind::Owner | Kind::Writable => {
                "it must belong to root, and nobody else may write it".to_owned()
            }
            Kind::NoFile => "it is no regular file".to_owned(),
            Kind::Kernel(errno) => {
                let error = std::io::Error::from(errno).to_string();
                let end = error.find(" (os error").unwrap_or(error.len());
                error[..end].to_owned()
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason())
    }
}

impl std::error::Error for Fault {}

/// As many links as the kernel follows; see path_resolution(7).
const MOST_LINKS: usize = 40;

const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A FIFO would keep the caller waiting for its other side.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// Opens the file at an absolute path for reading.
///
/// # Errors
/// The first file or directory on the way that is missing or not root's alone.
pub fn open(path: &Path) -> Result<OwnedFd, Fault> {
    let (mut way, mut rest) = (Way::root()?, VecDeque::from(components(path)));
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            way.up()?;
            continue;
        }
        let opened = match rest.is_empty() {
            true => way.file(&name),
            false => way.enter(&name).map(|()| None),
        };
        let target = match opened {
            Ok(None) => continue,
            Ok(Some(file)) => return Ok(file),
            Err(fault) => way.link(&name).ok_or(fault)?,
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(way.fault(&name, Kind::Kernel(Errno::LOOP)));
        }
        if target.is_absolute() {
            way = Way::root()?;
        }
        for name in components(&target).into_iter().rev() {
            rest.push_front(name);
        }
    }
    Err(Fault {
        path: way.path,
        kind: Kind::NoFile,
    })
}

fn components(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        Component::ParentDir => Some(OsString::from("..")),
        Component::Normal(name) => Some(name.to_owned()),
    };
    path.components().filter_map(name).collect()
}

/// A trusted directory, and its path without links.
struct Way {
    directory: OwnedFd,
    path: PathBuf,
}

impl Way {
    fn root() -> Result<Way, Fault> {
        let path = PathBuf::from("/");
        let kernel = |errno| Fault {
            path: path.clone(),
            kind: Kind::Kernel(errno),
        };
        let directory = open_path("/", DIRECTORY, Mode::empty()).map_err(kernel)?;
        of_root(&directory, &path)?;
        Ok(Way { directory, path })
    }

    fn fault(&self, name: &OsStr, kind: Kind) -> Fault {
        Fault {
            path: self.path.join(name),
            kind,
        }
    }

    fn open(&self, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Fault> {
        openat(&self.directory, name, flags, Mode::empty()).map_err(|errno| {
            let kind = match errno {
                Errno::NOENT => Kind::Missing,
                errno => Kind::Kernel(errno),
            };
            self.fault(name, kind)
        })
    }

    fn enter(&mut self, name: &OsStr) -> Result<(), Fault> {
        let directory = self.open(name, DIRECTORY)?;
        let path = self.path.join(name);
        of_root(&directory, &path)?;
        *self = Way { directory, path };
        Ok(())
    }

    fn up(&mut self) -> Result<(), Fault> {
        let directory = self.open(OsStr::new(".."), DIRECTORY)?;
        let path = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        of_root(&directory, &path)?;
        *self = Way { directory, path };
        Ok(())
    }

    fn file(&self, name: &OsStr) -> Result<Option<OwnedFd>, Fault> {
        let file = self.open(name, FILE)?;
        let stat = of_root(&file, &self.path.join(name))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(file)),
            _ => Err(self.fault(name, Kind::NoFile)),
        }
    }

    /// Where the link `name` leads; `None`: it is no link.
    fn link(&self, name: &OsStr) -> Option<PathBuf> {
        let target = readlinkat(&self.directory, name, Vec::new()).ok()?;
        Some(OsString::from_vec(target.into_bytes()).into())
    }
}

fn of_root(file: impl AsFd, path: &Path) -> Result<Stat, Fault> {
    let fault = |kind| Fault {
        path: path.to_owned(),
        kind,
    };
    let stat = fstat(file).map_err(|errno| fault(Kind::Kernel(errno)))?;
    match stat {
        _ if stat.st_uid != 0 => Err(fault(Kind::Owner)),
        _ if stat.st_mode & 0o022 != 0 => Err(fault(Kind::Writable)),
        _ => Ok(stat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_taken_apart() {
        let parts = components(Path::new("/a/../b//./c/"));
        assert_eq!(parts, ["a", "..", "b", "c"]);
    }

    #[test]
    fn a_remedy_names_the_object() {
        let fault = Fault {
            path: "/etc/x".into(),
            kind: Kind::Writable,
        };
        assert_eq!(fault.remedy().as_deref(), Some("chmod go-w /etc/x"));
        assert!(fault.to_string().starts_with("/etc/x: it must belong"));
    }
}

//! Keeping a try: its layers and those of its environment become one set of layers, in a directory of their own.
//!
//! Nothing is changed in either of the two, so this can fail or be killed anywhere; the caller puts what was made in
//! the environment's place with one rename. Files are linked, not copied: what it takes is directories.

mod origin;
mod place;

use caddis_view::error::{Context, shown};
use caddis_view::layer_directories::{self, WORK};
use caddis_view::overlayfs::{OPAQUE, ORIGIN, REDIRECT, is_whiteout, marks};
use caddis_view::store::entries;
use caddis_view::tree::open_directory;
use caddis_view::{Result, tree, trial};
use place::Place;
use rustix::fs::{AtFlags, FileType, Mode, XattrFlags, fsetxattr, linkat, mkdirat, statat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

/// Fills `target`, which is empty, with the environment as its try has left it.
pub fn merged(environment: &OwnedFd, from_try: &OwnedFd, target: &OwnedFd) -> Result<()> {
    let tried = entries(from_try)?;
    for entry in &tried {
        if entry.ends_with(WORK) {
            layer_directories::make_directory(target, entry.as_str())?;
        } else {
            layer(environment, from_try, target, &name_of(entry))?;
        }
    }
    for entry in entries(environment)? {
        if entry == trial::TRY || entry == trial::KEPT || tried.contains(&entry) {
            // Done, or not the environment's.
        } else if entry.ends_with(WORK) {
            layer_directories::make_directory(target, entry.as_str())?;
        } else {
            let root = Rc::new(tree::duplicate(environment)?);
            let to = Rc::new(tree::duplicate(target)?);
            Merge::default().run(vec![Job::As(root, to, name_of(&entry))])?;
        }
    }
    Ok(())
}

/// The layer `name`, of which the environment may have none yet.
fn layer(environment: &OwnedFd, from_try: &OwnedFd, target: &OwnedFd, name: &CStr) -> Result<()> {
    let source = open_directory(from_try, name).doing("open", || shown(name))?;
    let upper = match open_directory(environment, name) {
        Ok(upper) => Some(Rc::new(upper)),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(errno).doing("open", || shown(name)),
    };
    let place = Place::root(upper);
    let merge = Merge {
        root: place.clone(),
    };
    let top = Merging {
        source: Rc::new(source),
        target: Rc::new(make_directory(target, name)?),
        below: place.below.clone(),
        place,
    };
    let mut jobs = Vec::new();
    enter(top, &mut jobs)?;
    merge.run(jobs)
}

/// A directory of the try, and what becomes of it.
struct Merging {
    source: Rc<OwnedFd>,
    target: Rc<OwnedFd>,
    /// What the environment has there.
    place: Place,
    /// Where the layers below have it, of their own accord.
    below: Option<PathBuf>,
}

/// What is left to do. A directory is opened when its turn comes: one may hold more than there are descriptors.
enum Job {
    /// An entry of the try, in place of what the environment has of that name.
    Tried(Rc<Merging>, CString),
    /// The attributes of a directory of the try, after its entries, which change its times.
    Leave(Rc<Merging>),
    /// An entry as it is, whatever is in it.
    As(Rc<OwnedFd>, Rc<OwnedFd>, CString),
    /// The attributes of a directory that was taken as it is.
    Attributes(Rc<OwnedFd>, Rc<OwnedFd>),
}

#[derive(Default)]
struct Merge {
    /// From where absolute redirects of the try lead.
    root: Place,
}

impl Merge {
    /// Directories may be nested deeper than any stack: the jobs are a list.
    fn run(&self, mut jobs: Vec<Job>) -> Result<()> {
        while let Some(job) = jobs.pop() {
            match job {
                Job::Tried(merging, name) => self.entry(&merging, &name, &mut jobs)?,
                Job::Leave(merging) => leave(&merging)?,
                Job::As(from, to, name) => take(&from, &to, &name, &mut jobs)?,
                Job::Attributes(source, target) => {
                    tree::copy_attributes(&source, &target, |_| true)
                        .doing("copy the attributes of", || "a directory")?;
                }
            }
        }
        Ok(())
    }

    fn entry(&self, merging: &Merging, name: &CStr, jobs: &mut Vec<Job>) -> Result<()> {
        let Merging { source, target, .. } = merging;
        let stat =
            statat(&**source, name, AtFlags::SYMLINK_NOFOLLOW).doing("stat", || shown(name))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            // What was the environment's alone is gone with the environment's.
            if is_whiteout(&stat) && merging.place.below.is_none() {
                return Ok(());
            }
            origin::remember(source, name, merging.place.upper.as_deref())?;
            return link(source, target, name);
        }
        let inner = open_directory(&**source, name).doing("open", || shown(name))?;
        let marks = marks(&inner).doing("read the attributes of", || shown(name))?;
        let natural = merging.place.below.as_deref();
        let merging = Merging {
            source: Rc::new(inner),
            target: Rc::new(make_directory(target, name)?),
            place: merging.place.of(&self.root, name, &marks)?,
            below: natural.map(|below| below.join(OsStr::from_bytes(name.to_bytes()))),
        };
        enter(merging, jobs)
    }
}

/// What there is to do for a directory of the try.
fn enter(merging: Merging, jobs: &mut Vec<Job>) -> Result<()> {
    let tried = tree::names(&*merging.source).doing("list", || "a directory of the try")?;
    let merging = Rc::new(merging);
    jobs.push(Job::Leave(merging.clone()));
    if let Some(upper) = &merging.place.upper {
        let tried: HashSet<&CStr> = tried.iter().map(|(name, _)| name.as_c_str()).collect();
        let own = tree::names(&**upper).doing("list", || "a directory")?;
        let untouched = own
            .into_iter()
            .filter(|(name, _)| !tried.contains(name.as_c_str()));
        let target = &merging.target;
        jobs.extend(untouched.map(|(name, _)| Job::As(upper.clone(), target.clone(), name)));
    }
    let tried = tried.into_iter();
    jobs.extend(tried.map(|(name, _)| Job::Tried(merging.clone(), name)));
    Ok(())
}

/// The attributes that the try has given a directory; overlayfs' marks say where it now lies in the layers below.
fn leave(merging: &Merging) -> Result<()> {
    let Merging {
        source,
        target,
        place,
        below,
    } = merging;
    let wanted = |name: &CStr| ![OPAQUE, REDIRECT, ORIGIN].contains(&name);
    let set = |name, value: &[u8]| fsetxattr(&**target, name, value, XattrFlags::empty());
    let marked = match (&place.below, below) {
        (wanted, natural) if wanted == natural => Ok(()),
        (None, _) => set(OPAQUE, b"y"),
        (Some(path), _) => set(REDIRECT, path.as_os_str().as_bytes()),
    };
    marked
        .and_then(|()| tree::copy_attributes(source, target, wanted))
        .doing("set the attributes of", || "a directory")
}

/// Takes an entry of the environment's as it is.
fn take(from: &Rc<OwnedFd>, to: &Rc<OwnedFd>, name: &CStr, jobs: &mut Vec<Job>) -> Result<()> {
    let source = match open_directory(&**from, name) {
        Ok(source) => Rc::new(source),
        Err(Errno::NOTDIR | Errno::LOOP) => return link(from, to, name),
        Err(errno) => return Err(errno).doing("open", || shown(name)),
    };
    let target = Rc::new(make_directory(to, name)?);
    let inner = tree::names(&*source).doing("list", || shown(name))?;
    jobs.push(Job::Attributes(source.clone(), target.clone()));
    let inner = inner.into_iter();
    jobs.extend(inner.map(|(name, _)| Job::As(source.clone(), target.clone(), name)));
    Ok(())
}

/// Never follows a link, and never links a directory.
fn link(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<()> {
    match linkat(from, name, to, name, AtFlags::empty()) {
        // It has as many names as the file system allows, or counts for another quota.
        Err(Errno::MLINK | Errno::XDEV) => tree::copy(from, to, name),
        other => other.doing("link", || shown(name)),
    }
}

fn make_directory(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd> {
    mkdirat(parent, name, Mode::RWXU).doing("create", || shown(name))?;
    open_directory(parent, name).doing("open", || shown(name))
}

/// Names that were read from a directory hold no NUL.
fn name_of(entry: &str) -> CString {
    CString::new(entry).unwrap_or_default()
}

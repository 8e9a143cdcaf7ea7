//! What is to be given up, as data: the changes below the named paths, read from the upper layers.

use super::below::{Below, Ground, Look};
use super::uppers::{self, Upper};
use super::walk::{Walk, redirects};
use super::{Outcome, State, What};
use caddis_view::error::Context;
use caddis_view::{Error, Result, tree};
use rustix::fs::{FileType, Mode, OFlags, openat};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the user has done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The base has nothing of that name.
    Added,
    /// There is a version of the user's own.
    Modified,
    /// The base's was removed.
    Deleted,
    /// It is of another kind than the base's.
    Type,
    /// Only mode, owner or other attributes of a directory.
    Attributes,
}

/// What is in the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The mark that there is nothing.
    Whiteout,
    /// Anything but a directory.
    File,
    /// A directory through which the base's of that name does not show.
    Tree,
    /// A directory that the base's shows through: only its own attributes.
    Attributes,
}

/// One path to be given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Its name in the upper layer, relative to its root.
    pub(super) path: PathBuf,
    /// Where the base's version is in the layers below. None where the directory that it is in hides those.
    pub(super) natural: Option<PathBuf>,
    pub(super) kind: Kind,
    pub(super) change: Change,
    /// The inode in the upper layer, by which it is known again.
    pub(super) inode: u64,
    /// How many files are lost.
    pub(super) files: u64,
}

/// What is given up in one upper layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) upper: Upper,
    /// What was named, relative to the layer's root; none lies in another.
    pub(super) paths: Vec<PathBuf>,
    /// Renamed directories first: the kernel does not show one under two names.
    pub(super) steps: Vec<Step>,
    /// Where renamed directories, which are given up as well, are to be seen again: the path of the step that uncovers
    /// it, and its own.
    pub(super) reappear: Vec<(PathBuf, PathBuf)>,
}

impl Layer {
    pub(super) fn open(&self, environment: &OwnedFd) -> Result<OwnedFd> {
        open_layer(environment, &self.upper)
    }

    pub(super) fn outcome(&self, step: &Step, state: State) -> Outcome {
        Outcome {
            path: self.shown(&step.path),
            change: step.change,
            files: step.files,
            state,
        }
    }

    /// The name inside.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        shown(&self.upper, path)
    }
}

pub(super) fn shown(upper: &Upper, path: &Path) -> PathBuf {
    if path == Path::new("") {
        upper.at.clone()
    } else {
        upper.at.join(path)
    }
}

fn open_layer(environment: &OwnedFd, upper: &Upper) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(environment, &upper.name, flags, Mode::empty())
        .doing("open the changes of", || upper.at.display())
}

/// Opens the directory `path` of an upper layer: through no link, onto no other file system.
pub(super) fn open_beneath(top: impl AsFd, path: &Path) -> std::result::Result<OwnedFd, Errno> {
    tree::open_beneath(top, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// The directory that a path is in, and its name there.
pub(super) fn split(path: &Path) -> (&Path, CString) {
    let name = path.file_name().unwrap_or_default().as_bytes();
    // Names from a directory, or from an argument, hold no NUL.
    let name = CString::new(name).unwrap_or_default();
    (path.parent().unwrap_or(Path::new("")), name)
}

/// Reads the changes and says what is to be done.
pub(super) fn plan(environment: &OwnedFd, ground: &Ground<'_>, what: &What) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for (upper, paths) in named(environment, ground, what)? {
        let top = open_layer(environment, &upper)?;
        let below = Below::new(ground, &upper).doing("open", || upper.at.display())?;
        let mut walk = Walk::new(&top, &below, &upper);
        for path in &paths {
            walk.operand(path)?;
        }
        let mut steps = walk.steps;
        steps.sort_by_key(|step| step.kind != Kind::Tree);
        let mut layer = Layer {
            upper,
            paths,
            steps,
            reappear: Vec::new(),
        };
        layer.reappear = one_name_each(&layer, &top, &below)?;
        layers.push(layer);
    }
    Ok(layers)
}

/// The layers that are meant, with the names in each.
fn named(
    environment: &OwnedFd,
    ground: &Ground<'_>,
    what: &What,
) -> Result<Vec<(Upper, Vec<PathBuf>)>> {
    let all = uppers::all(environment, ground.mounts)?;
    let whole = |upper: Upper| (upper, vec![PathBuf::new()]);
    let What::Paths(paths) = what else {
        return Ok(all.into_iter().map(whole).collect());
    };
    let mut found: Vec<(Upper, Vec<PathBuf>)> = Vec::new();
    let mut add =
        |upper: &Upper, path: PathBuf| match found.iter_mut().find(|(one, _)| one == upper) {
            Some((_, paths)) => paths.push(path),
            None => found.push((upper.clone(), vec![path])),
        };
    for path in paths {
        if let Some((upper, inside)) = uppers::of(environment, ground.mounts, path)? {
            add(&upper, inside);
        }
        // File systems that are mounted below it.
        for upper in all.iter().filter(|upper| upper.at.starts_with(path)) {
            add(upper, PathBuf::new());
        }
    }
    for (_, paths) in &mut found {
        paths.sort();
        // What lies in another one comes right after it.
        paths.dedup_by(|one, former| one.starts_with(&*former));
    }
    Ok(found)
}

/// The kernel refuses to show a directory of the base under two names (ESTALE for the second one that is looked
/// up): who gives up a removal must not have the directory under another name. Returns those that get theirs back.
fn one_name_each(
    layer: &Layer,
    top: &OwnedFd,
    below: &Below<'_>,
) -> Result<Vec<(PathBuf, PathBuf)>> {
    let uncovers = |step: &&Step| {
        let natural = step.natural.as_deref();
        step.kind != Kind::Attributes
            && natural
                .is_some_and(|path| !matches!(below.look(path), Look::Nothing | Look::Other(..)))
    };
    let uncovered: Vec<&Step> = layer.steps.iter().filter(uncovers).collect();
    let mut reappear = Vec::new();
    if uncovered.is_empty() {
        return Ok(reappear);
    }
    for (now, origin) in redirects(top)? {
        let kept = !layer.paths.iter().any(|path| now.starts_with(path));
        let step = uncovered.iter().find(|step| {
            let natural = step.natural.as_deref();
            now != step.path && natural.is_some_and(|natural| origin.starts_with(natural))
        });
        let Some(step) = step else { continue };
        if !kept {
            reappear.push((step.path.clone(), origin));
        } else {
            let (old, new) = (layer.shown(&step.path), layer.shown(&now));
            let reason = format!(
                "its directory is now {}, and cannot be seen twice",
                new.display()
            );
            let hint = format!("name {} as well, or rename it back inside", new.display());
            return Err(
                Error::refused("give up your version of", old.display(), reason).hint(hint),
            );
        }
    }
    Ok(reappear)
}

pub(super) fn is_directory(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Directory
}

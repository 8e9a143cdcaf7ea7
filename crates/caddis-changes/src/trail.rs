//! The directories that a walk is in, from the top down. Only the innermost ones are kept open: a user can nest
//! directories deeper than any number of descriptors.

use crate::entry::Entry;
use caddis_view::error::Result;
use caddis_view::tree::open_directory;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// How many levels are kept open at once.
const MAX_OPEN: usize = 100;

/// How what lies below a directory is found from what lies below the one above it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There, under this name.
    Child(CString),
    /// Elsewhere: at this path, from the top of what lies below.
    Top(PathBuf),
}

/// A directory of what lies below.
#[derive(Debug)]
pub(crate) struct Below {
    pub(crate) directory: OwnedFd,
    /// It is the base's own, in which and below which no layer of ours has anything: what is merged there would be
    /// looked up once more for each name.
    pub(crate) plain: bool,
}

/// A directory of the walk.
#[derive(Debug)]
pub(crate) struct Level<T> {
    /// Its name; the top has none.
    pub(crate) name: CString,
    /// Of the changes; `None`: closed for now.
    upper: Option<OwnedFd>,
    id: (u32, u32, u64),
    /// What it is compared with.
    pub(crate) step: Option<Step>,
    below: Option<OwnedFd>,
    /// As in [`Below`].
    plain: bool,
    /// Whatever the walk remembers of it.
    pub(crate) state: T,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Trail<T> {
    levels: Vec<Level<T>>,
}

const BELOW: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the directory `name` of what lies below, to look further. `None`: the user does not get there.
pub(crate) fn open_below(
    below: impl AsFd,
    name: &CStr,
) -> std::result::Result<Option<OwnedFd>, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match openat2(below, name, BELOW, Mode::empty(), resolve) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::XDEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The same for a path from the top, a component at a time.
pub(crate) fn open_below_path(
    top: impl AsFd,
    path: &Path,
) -> std::result::Result<Option<OwnedFd>, Errno> {
    let mut here = open_below(&top, c".")?;
    for component in path.components() {
        let (Some(directory), Component::Normal(name)) = (&here, component) else {
            continue;
        };
        let name = CString::new(name.as_bytes()).unwrap_or_default();
        here = open_below(directory, &name)?;
    }
    Ok(here)
}

impl<T> Trail<T> {
    pub(crate) fn new() -> Trail<T> {
        Trail { levels: Vec::new() }
    }

    /// Goes into a directory.
    pub(crate) fn enter(
        &mut self,
        name: CString,
        upper: OwnedFd,
        below: Option<(Step, Below)>,
        state: T,
    ) -> Result<()> {
        let Some(entry) = Entry::of_directory(&upper)? else {
            return Ok(());
        };
        let (step, below) = below.unzip();
        let plain = below.as_ref().is_some_and(|below| below.plain);
        self.levels.push(Level {
            name,
            upper: Some(upper),
            id: entry.id,
            step,
            below: below.map(|below| below.directory),
            plain,
            state,
        });
        // The top stays open: all others can be found from there.
        let far = self.levels.len().saturating_sub(MAX_OPEN);
        if far > 1
            && let Some(level) = self.levels.get_mut(far - 1)
        {
            level.upper = None;
            level.below = None;
        }
        Ok(())
    }

    /// Goes back to the directory above.
    pub(crate) fn leave(&mut self) {
        let Some(left) = self.levels.pop() else {
            return;
        };
        let depth = self.levels.len();
        let Some(level) = self.levels.last() else {
            return;
        };
        if level.upper.is_some() {
            return;
        }
        let upper = above(&left, level.id).or_else(|| self.upper_again());
        let below = match (&left.step, &level.step) {
            (_, None) => None,
            (Some(Step::Child(_)), Some(_)) if left.plain == level.plain => {
                let below = left.below.as_ref();
                below.and_then(|below| openat(below, "..", BELOW, Mode::empty()).ok())
            }
            _ => self.below_again(),
        };
        if let Some(level) = self.levels.get_mut(depth - 1) {
            level.upper = upper;
            level.below = below;
        }
    }

    /// Looks the innermost directory of the changes up again, from the top.
    fn upper_again(&self) -> Option<OwnedFd> {
        let (top, rest) = self.levels.split_first()?;
        let mut here = open_directory(top.upper.as_ref()?, c".").ok()?;
        for level in rest {
            here = open_directory(&here, &level.name).ok()?;
        }
        let entry = Entry::of_directory(&here).ok()??;
        (entry.id == self.levels.last()?.id).then_some(here)
    }

    fn below_again(&self) -> Option<OwnedFd> {
        let top = self.levels.first()?.below.as_ref()?;
        open_below_path(top, &self.place()?).ok()?
    }

    /// Where the innermost directory is found below, from the top. `None`: there is nothing that it is compared with.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        place(self.levels.iter().map(|level| level.step.as_ref()))
    }

    /// The innermost directory, of the changes and below. `None`: the walk is at its end, or the directory was moved
    /// away since, with what is left in it.
    pub(crate) fn here(&self) -> Option<(&OwnedFd, Option<&OwnedFd>)> {
        let level = self.levels.last()?;
        Some((level.upper.as_ref()?, level.below.as_ref()))
    }

    /// Whether what lies below the innermost directory is [`Below::plain`].
    pub(crate) fn is_plain(&self) -> bool {
        self.levels.last().is_some_and(|level| level.plain)
    }

    pub(crate) fn state(&mut self) -> Option<&mut T> {
        self.levels.last_mut().map(|level| &mut level.state)
    }
}

/// The directory above, if it is still that one.
fn above<T>(left: &Level<T>, id: (u32, u32, u64)) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let above = openat(left.upper.as_ref()?, "..", flags, Mode::empty()).ok()?;
    let entry = Entry::of_directory(&above).ok()??;
    (entry.id == id).then_some(above)
}

/// Puts the steps from the top together.
pub(crate) fn place<'a>(
    steps: impl DoubleEndedIterator<Item = Option<&'a Step>>,
) -> Option<PathBuf> {
    let mut names = Vec::new();
    let mut start = PathBuf::new();
    for step in steps.rev() {
        match step? {
            Step::Child(name) => names.push(name),
            Step::Top(path) => {
                start.clone_from(path);
                break;
            }
        }
    }
    let names = names.into_iter().rev();
    start.extend(names.map(|name| OsStr::from_bytes(name.to_bytes())));
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn child(name: &str) -> Step {
        Step::Child(CString::new(name).unwrap())
    }

    #[test]
    fn redirects_are_put_together() {
        let at = |steps: &[Step]| place(steps.iter().map(Some)).unwrap();
        let top = || Step::Top(PathBuf::new());
        assert_eq!(at(&[top()]), Path::new(""));
        assert_eq!(at(&[top(), child("a"), child("b")]), Path::new("a/b"));
        let moved = Step::Top("x/y".into());
        assert_eq!(
            at(&[top(), child("a"), moved, child("b")]),
            Path::new("x/y/b")
        );
        assert_eq!(
            place([Some(&top()), None, Some(&child("a"))].into_iter()),
            None
        );
    }

    proptest! {
        /// Whatever was above the last jump does not count.
        #[test]
        fn a_jump_forgets_the_way_to_it(before in prop::collection::vec("[a-z]{1,3}", 0..5), after in prop::collection::vec("[a-z]{1,3}", 0..5)) {
            let steps: Vec<Step> = std::iter::once(Step::Top(PathBuf::new()))
                .chain(before.iter().map(|name| child(name)))
                .chain([Step::Top("p/q".into())])
                .chain(after.iter().map(|name| child(name)))
                .collect();
            let expected: PathBuf = ["p", "q"].into_iter().chain(after.iter().map(String::as_str)).collect();
            prop_assert_eq!(place(steps.iter().map(Some)), Some(expected));
        }
    }
}

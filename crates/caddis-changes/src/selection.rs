//! Which part of the tree is asked for.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Some paths and all below them, as a tree of names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// This one is asked for, with all below it.
    all: bool,
    below: BTreeMap<CString, Selection>,
}

impl Selection {
    /// The given absolute paths; everything if there are none.
    #[must_use]
    pub fn of<P: AsRef<Path>>(paths: &[P]) -> Selection {
        let mut top = Selection {
            all: paths.is_empty(),
            ..Selection::default()
        };
        for path in paths {
            let mut here = &mut top;
            for name in names(path.as_ref()) {
                here = here.below.entry(name).or_default();
            }
            here.all = true;
        }
        top
    }

    /// What of it lies at or below `path`. `None`: nothing.
    pub(crate) fn at(&self, path: &Path) -> Option<Wanted<'_>> {
        names(path).try_fold(Wanted::Part(self).settled(), |wanted, name| {
            wanted.child(&name)
        })
    }
}

fn names(path: &Path) -> impl Iterator<Item = CString> {
    path.components().filter_map(|component| match component {
        // What was read from a command line or a mount table holds no NUL.
        Component::Normal(name) => CString::new(name.as_bytes()).ok(),
        _ => None,
    })
}

/// What of a directory is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// The directory and everything in it.
    All,
    /// Some of its names.
    Part(&'a Selection),
}

impl<'a> Wanted<'a> {
    fn settled(self) -> Wanted<'a> {
        match self {
            Wanted::Part(selection) if selection.all => Wanted::All,
            other => other,
        }
    }

    /// What of `name` in it is asked for.
    pub(crate) fn child(self, name: &CString) -> Option<Wanted<'a>> {
        match self {
            Wanted::All => Some(Wanted::All),
            Wanted::Part(selection) => {
                let below = selection.below.get(name)?;
                Some(Wanted::Part(below).settled())
            }
        }
    }

    /// The names that are asked for; `None`: every one.
    pub(crate) fn names(self) -> Option<Vec<CString>> {
        match self {
            Wanted::All => None,
            Wanted::Part(selection) => Some(selection.below.keys().cloned().collect()),
        }
    }

    pub(crate) fn is_all(self) -> bool {
        matches!(self, Wanted::All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_selects_all_below_it_and_nothing_beside() {
        let selection = Selection::of(&["/etc/apt", "/etc/./apt/sources", "/var//lib/"]);
        let is_all = |path: &str| selection.at(Path::new(path)).map(Wanted::is_all);
        for (path, expected) in [
            ("/", Some(false)),
            ("/etc", Some(false)),
            ("/etc/apt", Some(true)),
            ("/etc/apt/a/b", Some(true)),
            ("/etc/aptitude", None),
            ("/var/lib", Some(true)),
            ("/var/cache", None),
        ] {
            assert_eq!(is_all(path), expected, "{path}");
        }
        let none: [&str; 0] = [];
        assert!(
            Selection::of(&none)
                .at(Path::new("/x"))
                .is_some_and(Wanted::is_all)
        );
    }
}

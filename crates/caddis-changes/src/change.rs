//! A change, as it is reported.

use crate::entry::{Entry, Name, Time};
use std::path::{Path, PathBuf};

/// What has happened to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// There was none of that name.
    Added,
    /// There is none of that name any more.
    Deleted,
    /// It has become something of another kind.
    Type,
    /// It is of the same kind still.
    Kept {
        /// Its content is another.
        content: bool,
        /// Its owner, mode, access list or the like is another.
        attributes: bool,
    },
}

impl What {
    /// As letters: `A`, `D`, `T`, `M`, `P`, or `MP`.
    #[must_use]
    pub fn letters(self) -> &'static str {
        match self {
            What::Added => "A",
            What::Deleted => "D",
            What::Type => "T",
            What::Kept {
                content: true,
                attributes: false,
            } => "M",
            What::Kept { content: true, .. } => "MP",
            What::Kept { .. } => "P",
        }
    }
}

/// A name that stands for something else than it would without the changes.
#[derive(Debug)]
pub struct Change<'a> {
    /// What has happened to it.
    pub what: What,
    /// Where the environment has it.
    pub path: &'a Path,
    /// What it would be without the changes, and where that is.
    pub old: Option<(Entry, Name<'a>)>,
    /// What it is now.
    pub new: Option<(Entry, Name<'a>)>,
    /// A directory that was moved: where it was. What was not changed in it is not reported again.
    pub from: Option<PathBuf>,
    /// The user has a version of their own, and the base's was changed since that was taken: when.
    pub shadowed: Option<Time>,
}

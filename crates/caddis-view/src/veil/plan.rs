//! A veil as data.

use std::fmt;
use std::path::PathBuf;

/// What a veil consists of, in the order of paths, so that a directory comes before what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VeilPlan {
    /// Its entries.
    pub entries: Vec<Entry>,
}

/// One path of the base that the veil covers, or a directory on the way to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, as an absolute path of the base.
    pub path: PathBuf,
    /// What is there instead.
    pub twin: Twin,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its mode, without the type.
    pub mode: u32,
}

/// What stands in the place of an entry of the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Twin {
    /// A directory that shows what is below as well: only on the way to another entry.
    Directory,
    /// An empty directory.
    Empty,
    /// Nothing: the file does not exist.
    Whiteout,
    /// A file with harmless content.
    File(String),
}

impl fmt::Display for VeilPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            let kind = match &entry.twin {
                Twin::Directory => "directory".to_owned(),
                Twin::Empty => "empty".to_owned(),
                Twin::Whiteout => "whiteout".to_owned(),
                Twin::File(text) => format!("file {text:?}"),
            };
            writeln!(
                f,
                "{:?} {} {} {:o} {kind}",
                entry.path, entry.uid, entry.gid, entry.mode
            )?;
        }
        Ok(())
    }
}

//! What the helper tells of an environment's changes.

use std::path::PathBuf;

use super::Call;
use super::call::Stream;
use super::record::Record;
use crate::error::{Error, FAILED};

/// A line of `diff`: one name that stands for something else than below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `A`, `D`, `T`, `M`, `P` or `MP`.
    pub letters: String,
    pub path: Vec<u8>,
    /// Where a directory was moved from.
    pub from: Option<Vec<u8>>,
    /// The user's version hides one that was changed later: when, in seconds since 1970.
    pub shadowed: Option<u64>,
    /// What it would be without the changes.
    pub old: Option<Side>,
    /// What it is.
    pub new: Option<Side>,
}

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// Major and minor number.
    pub device: Option<String>,
    pub content: Content,
}

impl Content {
    /// As git decides: a NUL byte near the beginning.
    pub fn is_binary(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.iter().take(8000).any(|byte| *byte == 0),
            _ => false,
        }
    }
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    File,
    Directory,
    Link,
    Fifo,
    Socket,
    Character,
    Block,
    Unknown,
}

/// What is in a file or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Not asked for, or there can be none.
    None,
    Bytes(Vec<u8>),
    TooLarge,
    /// The user cannot read it.
    Unreadable,
}

impl Change {
    /// Whether it is, or was, a directory.
    pub fn is_directory(&self) -> bool {
        let side = self.new.as_ref().or(self.old.as_ref());
        side.is_some_and(|side| side.kind == Kind::Directory)
    }

    /// Reads a line of `diff`, and what follows it.
    fn read(record: &Record, stream: &mut Stream) -> Result<Self, Error> {
        let bytes = |key: &str| record.bytes(key).ok().map(<[u8]>::to_vec);
        let shadowed = record.text("shadowed").ok();
        Ok(Self {
            letters: record.text("change")?,
            path: record.bytes("path")?.to_vec(),
            from: bytes("from"),
            shadowed: shadowed.and_then(|time| time.split('.').next()?.parse().ok()),
            old: Side::read(record, "old", stream)?,
            new: Side::read(record, "new", stream)?,
        })
    }
}

impl Side {
    fn read(record: &Record, side: &str, stream: &mut Stream) -> Result<Option<Self>, Error> {
        let Ok(kind) = record.bytes(side) else {
            return Ok(None);
        };
        let key = |key: &str| format!("{side}{key}");
        let mode = u32::from_str_radix(&record.text(&key("mode"))?, 8);
        let content = record.text(&key("content")).ok();
        Ok(Some(Self {
            kind: Kind::read(kind),
            mode: mode.unwrap_or(0),
            uid: record.number(&key("uid"))?,
            gid: record.number(&key("gid"))?,
            size: record.number(&key("size"))?,
            device: record.text(&key("device")).ok(),
            content: match content.as_deref() {
                None | Some("-") => Content::None,
                Some("large") => Content::TooLarge,
                Some("unreadable") => Content::Unreadable,
                Some(_) => Content::Bytes(stream.bytes(record.number(&key("content"))?)?),
            },
        }))
    }
}

impl Kind {
    fn read(kind: &[u8]) -> Self {
        match kind {
            b"file" => Self::File,
            b"directory" => Self::Directory,
            b"link" => Self::Link,
            b"fifo" => Self::Fifo,
            b"socket" => Self::Socket,
            b"character" => Self::Character,
            b"block" => Self::Block,
            _ => Self::Unknown,
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "symbolic link",
            Self::Fifo => "FIFO",
            Self::Socket => "socket",
            Self::Character => "character device",
            Self::Block => "block device",
            Self::Unknown => "something unknown",
        }
    }
}

/// The changes of an environment, as they come.
#[derive(Debug)]
pub struct Changes(Stream);

impl Changes {
    /// Asks for those of `environment`, or of the one that is meant where none is named: at and below `paths`, or all; with `content`, what is in the files as well.
    pub fn of(
        call: Call,
        environment: Option<&str>,
        content: bool,
        paths: Vec<PathBuf>,
    ) -> Result<Self, Error> {
        let paths = paths.into_iter().map(PathBuf::into_os_string).collect();
        call.maybe("--env", environment)
            .flag("--content", content)
            .command(paths)
            .stream()
            .map(Self)
    }

    /// The next one.
    pub fn next(&mut self) -> Result<Option<Change>, Error> {
        match self.0.record()? {
            Some(record) => Change::read(&record, &mut self.0).map(Some),
            None => Ok(None),
        }
    }

    /// To be called at the end: whether these were all. The helper has said what went wrong.
    pub fn end(self) -> Result<(), Error> {
        match self.0.end()? {
            0 => Ok(()),
            FAILED => Err(Error::reported(FAILED)),
            other => Err(Error::failed(format!(
                "read the changes: the helper ended before their end (status {other})"
            ))),
        }
    }
}

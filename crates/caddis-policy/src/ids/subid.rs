//! `/etc/subuid` and `/etc/subgid`, as bytes.

use crate::accounts::{Fault, is_name, lines, meaningful, number};

/// One line: `owner:start:count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubEntry {
    /// A user's name, or their uid in decimal.
    pub owner: Vec<u8>,
    /// First host id.
    pub start: u32,
    /// How many ids.
    pub count: u32,
}

/// Reads the content of `/etc/subuid` or `/etc/subgid`.
///
/// Lines that are not `owner:start:count` are passed over, as the tools that own these files do:
/// they may hold comments or entries that a name service understands.
/// See [subuid(5)](https://man7.org/linux/man-pages/man5/subuid.5.html).
#[must_use]
pub fn parse_subid(text: &(impl AsRef<[u8]> + ?Sized)) -> Vec<SubEntry> {
    lines(text.as_ref())
        .filter_map(|line| entry(line).ok().flatten())
        .collect()
}

/// One line; `None`: it says nothing.
pub(crate) fn entry(line: &[u8]) -> Result<Option<SubEntry>, Fault> {
    let Some(line) = meaningful(line.trim_ascii_end())? else {
        return Ok(None);
    };
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let [owner, start, count] = fields.as_slice() else {
        return Err(Fault::Fields);
    };
    if !is_name(owner) {
        return Err(Fault::Name);
    }
    Ok(Some(SubEntry {
        owner: owner.to_vec(),
        start: number(start).ok_or(Fault::Number)?,
        count: number(count).ok_or(Fault::Number)?,
    }))
}

impl SubEntry {
    /// Whether the entry belongs to this user. Digits are a uid and never a name.
    pub(super) fn belongs_to(&self, uid: u32, name: Option<&[u8]>) -> bool {
        self.is_by_uid(uid) || self.is_by_name(name)
    }

    pub(super) fn is_by_name(&self, name: Option<&[u8]>) -> bool {
        !self.is_numeric() && name == Some(self.owner.as_slice())
    }

    pub(super) fn is_by_uid(&self, uid: u32) -> bool {
        number(&self.owner) == Some(uid)
    }

    fn is_numeric(&self) -> bool {
        self.owner.iter().all(u8::is_ascii_digit)
    }

    /// Whether the entry and the `count` ids from `start` have an id in common.
    pub(super) fn overlaps(&self, start: u32, count: u32) -> bool {
        let (mine, other) = (u64::from(self.start), u64::from(start));
        mine < other + u64::from(count) && other < mine + u64::from(self.count)
    }
}

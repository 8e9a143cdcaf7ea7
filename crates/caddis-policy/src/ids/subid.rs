//! `/etc/subuid` and `/etc/subgid`.

/// One line: `owner:start:count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubEntry {
    /// A user's name, or their uid in decimal.
    pub owner: String,
    /// First host id.
    pub start: u32,
    /// How many ids.
    pub count: u32,
}

/// Reads the text of `/etc/subuid` or `/etc/subgid`.
///
/// Lines that are not `owner:start:count` are passed over, as the tools that own these files do:
/// they may hold comments or entries that a name service understands.
/// See [subuid(5)](https://man7.org/linux/man-pages/man5/subuid.5.html).
#[must_use]
pub fn parse_subid(text: &str) -> Vec<SubEntry> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<SubEntry> {
    let mut fields = line.trim().split(':');
    let owner = fields.next()?;
    let start = number(fields.next()?)?;
    let count = number(fields.next()?)?;
    if fields.next().is_some() || owner.is_empty() || owner.starts_with('#') {
        return None;
    }
    Some(SubEntry {
        owner: owner.to_owned(),
        start,
        count,
    })
}

/// Digits only: `u32::from_str` would take a leading `+`, too.
fn number(field: &str) -> Option<u32> {
    if field.bytes().all(|byte| byte.is_ascii_digit()) {
        field.parse().ok()
    } else {
        None
    }
}

impl SubEntry {
    /// Whether the entry belongs to this user. Digits are a uid and never a name.
    pub(super) fn belongs_to(&self, uid: u32, name: Option<&str>) -> bool {
        self.is_by_uid(uid) || self.is_by_name(name)
    }

    pub(super) fn is_by_name(&self, name: Option<&str>) -> bool {
        !self.is_numeric() && name == Some(self.owner.as_str())
    }

    pub(super) fn is_by_uid(&self, uid: u32) -> bool {
        self.is_numeric() && self.owner.parse() == Ok(uid)
    }

    fn is_numeric(&self) -> bool {
        self.owner.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether the entry and the `count` ids from `start` have an id in common.
    pub(super) fn overlaps(&self, start: u32, count: u32) -> bool {
        let (mine, other) = (u64::from(self.start), u64::from(start));
        mine < other + u64::from(count) && other < mine + u64::from(self.count)
    }
}

//! The text of [passwd(5)](https://man7.org/linux/man-pages/man5/passwd.5.html) and
//! [group(5)](https://man7.org/linux/man-pages/man5/group.5.html), as bytes.
//!
//! Users write into these files: `chfn` takes any byte that is printable in some locale. So a line
//! is never taken for text, and one that is malformed costs nobody but its own user anything: it is
//! skipped, and [`skipped`] names it to root.
//!
//! What counts is what counts for the C library (`nss_files`): blanks before the name, empty lines
//! and comments do not, and names with a leading `+` or `-` are marks of NIS and nobody's.

use std::fmt;

use crate::ids::entry;

/// A user, of one line of `/etc/passwd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLine<'a> {
    /// The login name.
    pub name: &'a [u8],
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The home directory; empty if the line does not say.
    pub home: &'a [u8],
    /// The login shell; empty if the line does not say.
    pub shell: &'a [u8],
}

/// A group, of one line of `/etc/group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLine<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its id.
    pub gid: u32,
    /// The names of its members, as the line has them: with commas between them.
    pub members: &'a [u8],
}

impl<'a> GroupLine<'a> {
    /// The names of its members.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let all = self.members.split(|byte| *byte == b',');
        all.filter(|name| !name.is_empty())
    }
}

/// The users of the text of `/etc/passwd`, in its order.
pub fn users(text: &[u8]) -> impl Iterator<Item = UserLine<'_>> {
    lines(text).filter_map(|line| user(line).ok().flatten())
}

/// The groups of the text of `/etc/group`, in its order.
pub fn groups(text: &[u8]) -> impl Iterator<Item = GroupLine<'_>> {
    lines(text).filter_map(|line| group(line).ok().flatten())
}

/// The files whose malformed lines are skipped.
pub const TABLES: [(&str, Table); 4] = [
    ("/etc/passwd", Table::Users),
    ("/etc/group", Table::Groups),
    ("/etc/subuid", Table::SubIds),
    ("/etc/subgid", Table::SubIds),
];

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// See [`users`].
    Users,
    /// See [`groups`].
    Groups,
    /// See [`parse_subid`](crate::parse_subid).
    SubIds,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The C library takes such a line for one that ends there.
    #[error("it has a NUL byte")]
    Nul,
    /// There are fewer than it takes, or more than there may be.
    #[error("it has too few fields or too many")]
    Fields,
    /// The name is empty, or has control characters.
    #[error("it has no usable name")]
    Name,
    /// An id, or a number of ids, is none of 32 bits.
    #[error("it has no usable number")]
    Number,
}

/// A line that nobody is served by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its number, from 1 on.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
    /// Its beginning, with escapes: ASCII without control characters.
    pub text: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Skipped { line, fault, text } = self;
        write!(f, "line {line} is skipped: {fault}: \"{text}\"")
    }
}

/// How much of a line is shown.
const MOST_SHOWN: usize = 60;

/// The malformed lines of a file.
pub fn skipped(table: Table, text: &[u8]) -> impl Iterator<Item = Skipped> {
    let fault = move |line: &[u8]| match table {
        Table::Users => user(line).err(),
        Table::Groups => group(line).err(),
        Table::SubIds => entry(line).err(),
    };
    (1..).zip(lines(text)).filter_map(move |(number, line)| {
        let start = &line[..line.len().min(MOST_SHOWN)];
        let more = if start.len() < line.len() { "..." } else { "" };
        Some(Skipped {
            line: number,
            fault: fault(line)?,
            text: format!("{}{more}", start.escape_ascii()),
        })
    })
}

/// A name for people: as it is where it is text, else with escapes. Names are compared as bytes.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) => name.escape_ascii().to_string(),
    }
}

pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

fn user(line: &[u8]) -> Result<Option<UserLine<'_>>, Fault> {
    let Some(fields) = fields(line)? else {
        return Ok(None);
    };
    let [name, _, uid, gid, rest @ ..] = fields.as_slice() else {
        return Err(Fault::Fields);
    };
    let field = |number: usize| rest.get(number).copied().unwrap_or_default();
    Ok(Some(UserLine {
        name,
        uid: number(uid).ok_or(Fault::Number)?,
        gid: number(gid).ok_or(Fault::Number)?,
        home: field(1),
        shell: field(2),
    }))
}

fn group(line: &[u8]) -> Result<Option<GroupLine<'_>>, Fault> {
    let Some(fields) = fields(line)? else {
        return Ok(None);
    };
    let [name, _, gid, rest @ ..] = fields.as_slice() else {
        return Err(Fault::Fields);
    };
    Ok(Some(GroupLine {
        name,
        gid: number(gid).ok_or(Fault::Number)?,
        members: rest.first().copied().unwrap_or_default(),
    }))
}

/// The fields of a line that is about somebody.
fn fields(line: &[u8]) -> Result<Option<Vec<&[u8]>>, Fault> {
    let Some(line) = meaningful(line)? else {
        return Ok(None);
    };
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    match fields.first() {
        Some([b'+' | b'-', ..]) => Ok(None),
        Some(name) if fields.len() == 1 || is_name(name) => Ok(Some(fields)),
        _ => Err(Fault::Name),
    }
}

/// A line without the blanks before it; `None`: it says nothing.
pub(crate) fn meaningful(line: &[u8]) -> Result<Option<&[u8]>, Fault> {
    let line = line.trim_ascii_start();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    if line.contains(&0) {
        return Err(Fault::Nul);
    }
    Ok(Some(line))
}

/// Any byte but control characters; a colon and a newline cannot be there.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().any(u8::is_ascii_control)
}

/// Digits only: `u32::from_str` would take a leading `+`, too.
pub(crate) fn number(field: &[u8]) -> Option<u32> {
    let digits = field.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(field)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"# local\nroot:x:0:0:root:/root:/bin/bash\n+::::::\n-mallory\nbad\n\n  alice:x:1000:100:\xe9:/home/alice:\nb\xe9:x:1001:100\nodd:x:1002:100:\x07:/:/bin/sh\r";

    #[test]
    fn users_are_found_among_other_lines() {
        let all: Vec<(&[u8], u32)> = users(TEXT).map(|user| (user.name, user.uid)).collect();
        let expected: [(&[u8], u32); 4] = [
            (b"root", 0),
            (b"alice", 1000),
            (b"b\xe9", 1001),
            (b"odd", 1002),
        ];
        assert_eq!(all, expected);
        let alice = users(TEXT).nth(1).unwrap();
        assert_eq!((alice.home, alice.shell), (&b"/home/alice"[..], &b""[..]));
        assert_eq!(users(TEXT).nth(2).unwrap().home, b"");
        assert_eq!(users(TEXT).nth(3).unwrap().shell, b"/bin/sh\r");
    }

    #[test]
    fn groups_and_their_members_are_found() {
        let text =
            b"root:x:0:\nproj:x:2000:alice,,c\xe9\nfew:x:3\nbad:x:y:alice\n:x:4:\n\tlast:x:5:a:b";
        let all: Vec<_> = groups(text)
            .map(|group| (group.name, group.gid, group.members().collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            all,
            [
                (&b"root"[..], 0, vec![]),
                (b"proj", 2000, vec![&b"alice"[..], b"c\xe9"]),
                (b"few", 3, vec![]),
                (b"last", 5, vec![&b"a"[..]]),
            ]
        );
    }

    #[test]
    fn malformed_lines_are_named() {
        let text = b"bad\n#bad\n:x:1:1\na\0:x:1:1\n\x07:x:1:1\na:x:-1:1\na:x:1:4294967296\n\xff\n";
        let all: Vec<_> = skipped(Table::Users, text)
            .map(|one| (one.line, one.fault))
            .collect();
        assert_eq!(
            all,
            [
                (1, Fault::Fields),
                (3, Fault::Name),
                (4, Fault::Nul),
                (5, Fault::Name),
                (6, Fault::Number),
                (7, Fault::Number),
                (8, Fault::Fields),
            ]
        );
        let last = skipped(Table::Users, text).last().unwrap();
        assert_eq!(
            last.to_string(),
            r#"line 8 is skipped: it has too few fields or too many: "\xff""#
        );
        let long = vec![0xe9; 1 << 20];
        assert_eq!(
            skipped(Table::Groups, &long).next().unwrap().text.len(),
            243
        );
        assert_eq!(
            skipped(Table::SubIds, b"a:1:2\nb:1\n# c\n\nd:1:x").count(),
            2
        );
    }

    /// Lines of a file, each with whether it is one of ours.
    fn mixed() -> impl Strategy<Value = Vec<(Vec<u8>, Option<u32>)>> {
        let odd = prop::collection::vec(any::<u8>(), 0..40).prop_map(|mut line| {
            line.retain(|byte| *byte != b'\n');
            // Not one of ours by accident.
            line.insert(0, b'#');
            (line, None)
        });
        let broken =
            "[a-z\u{80}-\u{ff}]{1,4}(:[a-z]{0,3}){0,2}".prop_map(|line| (line.into_bytes(), None));
        let gecos = prop::collection::vec(any::<u8>(), 0..20);
        let ours = (any::<u32>(), gecos).prop_map(|(uid, mut gecos)| {
            gecos.retain(|byte| !b"\n:\0".contains(byte));
            let mut line = format!("u{uid}:x:{uid}:{uid}:").into_bytes();
            line.extend(gecos);
            line.extend(b":/home:/bin/sh");
            (line, Some(uid))
        });
        prop::collection::vec(prop_oneof![odd, broken, ours], 0..20)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(text: Vec<u8>) {
            let _ = (users(&text).count(), groups(&text).count());
            for table in [Table::Users, Table::Groups, Table::SubIds] {
                for one in skipped(table, &text) {
                    prop_assert!(one.to_string().bytes().all(|byte| (b' '..0x7f).contains(&byte)));
                }
            }
        }

        #[test]
        fn whatever_stands_between_them_all_good_lines_are_found(lines in mixed()) {
            let text: Vec<&[u8]> = lines.iter().map(|(line, _)| line.as_slice()).collect();
            let text = text.join(&b'\n');
            let expected: Vec<u32> = lines.iter().filter_map(|(_, uid)| *uid).collect();
            let found: Vec<u32> = users(&text).map(|user| user.uid).collect();
            prop_assert_eq!(&found, &expected);
            let found: Vec<u32> = groups(&text).map(|group| group.gid).collect();
            prop_assert_eq!(&found, &expected);
            for user in users(&text) {
                let name = format!("u{}", user.uid);
                prop_assert_eq!(user.name, name.as_bytes());
                prop_assert_eq!((user.home, user.shell), (&b"/home"[..], &b"/bin/sh"[..]));
            }
        }

        #[test]
        fn a_line_is_read_or_named_or_says_nothing(text: Vec<u8>) {
            for line in lines(&text) {
                let read = users(line).count();
                let named = skipped(Table::Users, line).count();
                prop_assert!(read + named <= 1);
            }
        }
    }
}

//! Changes as a patch, in the manner of `git diff`: what patch(1) can apply is in its format, what it cannot (directories,
//! owners, access lists) is said on lines that it passes over.

use super::unified::Compared;
use crate::helper::{Change, Content, Kind, Side};
use crate::render::style::{HEAD, Look};
use crate::render::text::shown;

/// The part of the patch for a change.
pub fn patch(change: &Change, look: Look) -> Vec<u8> {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) if old.kind != new.kind => {
            // As git does: the one goes, the other comes.
            let mut text = one(change, Some(old), None, look);
            text.extend(one(change, None, Some(new), look));
            text
        }
        (old, new) => one(change, old.as_ref(), new.as_ref(), look),
    }
}

fn one(change: &Change, old: Option<&Side>, new: Option<&Side>, look: Look) -> Vec<u8> {
    let sides = || old.into_iter().chain(new);
    if sides().any(|side| !matches!(side.kind, Kind::File | Kind::Link)) {
        let text = words(change, old, new);
        return format!("{}\n", look.paint(HEAD, &text)).into_bytes();
    }
    let (a, b) = (name("a", &change.path), name("b", &change.path));
    let mut head = format!("diff --git {a} {b}\n");
    match (old, new) {
        (None, Some(new)) => head += &format!("new file mode {}\n", mode(new)),
        (Some(old), None) => head += &format!("deleted file mode {}\n", mode(old)),
        (Some(old), Some(new)) => {
            if old.mode != new.mode && old.kind == Kind::File {
                head += &format!("old mode {}\nnew mode {}\n", mode(old), mode(new));
            }
            if owner(old) != owner(new) {
                head += &format!("old owner {}\nnew owner {}\n", owner(old), owner(new));
            }
            if change.letters.contains('P') && old.mode == new.mode && owner(old) == owner(new) {
                head += "extended attributes differ\n";
            }
        }
        (None, None) => {}
    }
    let same_content = old.is_some() && new.is_some() && change.letters == "P";
    let mut body = Vec::new();
    if !same_content {
        match (text(old), text(new)) {
            (Some(before), Some(after)) => {
                let hunks = Compared::new(before, after).hunks(look);
                if !hunks.is_empty() {
                    let none = || "/dev/null".to_owned();
                    let from = old.map_or_else(none, |_| tabbed(&a));
                    let to = new.map_or_else(none, |_| tabbed(&b));
                    head += &format!("--- {from}\n+++ {to}\n");
                    body = hunks;
                }
            }
            _ => head += &format!("{}\n", not_shown(&a, &b, old, new)),
        }
    }
    let mut painted: Vec<u8> = head
        .lines()
        .flat_map(|line| format!("{}\n", look.paint(HEAD, line)).into_bytes())
        .collect();
    painted.extend(body);
    painted
}

/// What is in it as text; a side that does not exist is empty. `None`: it is not text, or not known.
pub fn text(side: Option<&Side>) -> Option<&[u8]> {
    match side.map(|side| &side.content) {
        None => Some(b""),
        Some(Content::Bytes(bytes)) if side.is_some_and(|side| !side.content.is_binary()) => {
            Some(bytes)
        }
        Some(_) => None,
    }
}

/// For a terminal: text in which nothing can move the cursor or worse. What was written to a file inside may be meant
/// for the eyes of an administrator.
pub fn make_harmless(change: &mut Change) {
    let sides = change.old.iter_mut().chain(&mut change.new);
    for content in sides.map(|side| &mut side.content) {
        if content.is_binary() {
            continue;
        }
        if let Content::Bytes(bytes) = content {
            let kept = |byte: &u8| *byte == b'\n' || *byte == b'\t';
            let parts = bytes.chunk_by(|one, next| kept(one) == kept(next));
            *bytes = parts
                .flat_map(|part| match part.first().is_some_and(kept) {
                    true => part.to_vec(),
                    false => shown(part).into_bytes(),
                })
                .collect();
        }
    }
}

fn not_shown(a: &str, b: &str, old: Option<&Side>, new: Option<&Side>) -> String {
    let any = |content: &Content| {
        [old, new]
            .iter()
            .flatten()
            .any(|side| side.content == *content)
    };
    if any(&Content::Unreadable) {
        format!("Files {a} and {b} differ; you cannot read what lies below")
    } else if any(&Content::TooLarge) {
        format!("Files {a} and {b} differ; they are too large to be shown")
    } else {
        format!("Binary files {a} and {b} differ")
    }
}

/// A change that patch(1) knows nothing of.
fn words(change: &Change, old: Option<&Side>, new: Option<&Side>) -> String {
    let path = shown(&change.path);
    let of = |side: &Side| {
        let device = side.device.as_ref();
        let device = device.map_or_else(String::new, |device| format!(" {device}"));
        format!("{}{device} {path}", side.kind.name())
    };
    match (old, new, &change.from) {
        (_, Some(new), Some(from)) => format!("Moved {} from {}", of(new), shown(from)),
        (None, Some(new), _) => format!(
            "Added {} (mode {:04o}, owner {})",
            of(new),
            new.mode,
            owner(new)
        ),
        (Some(old), None, _) => format!("Deleted {}", of(old)),
        (Some(old), Some(new), _) => {
            let mut what = Vec::new();
            if old.device != new.device {
                what.push(format!("was {}", of(old)));
            }
            if old.mode != new.mode {
                what.push(format!("mode {:04o}, was {:04o}", new.mode, old.mode));
            }
            if owner(old) != owner(new) {
                what.push(format!("owner {}, was {}", owner(new), owner(old)));
            }
            if what.is_empty() {
                what.push("extended attributes differ".to_owned());
            }
            format!("Changed {}: {}", of(new), what.join("; "))
        }
        (None, None, _) => path,
    }
}

fn mode(side: &Side) -> String {
    let kind = if side.kind == Kind::Link {
        0o120_000
    } else {
        0o100_000 | side.mode
    };
    format!("{kind:06o}")
}

fn owner(side: &Side) -> String {
    format!("{}:{}", side.uid, side.gid)
}

/// A path with git's prefix, in quotes where it holds what a line or a terminal cannot.
fn name(prefix: &str, path: &[u8]) -> String {
    let plain = format!("{prefix}{}", shown(path));
    let odd =
        plain.len() != prefix.len() + path.len() || path.contains(&b'"') || path.contains(&b'\\');
    if !odd {
        return plain;
    }
    let mut quoted = format!("\"{prefix}");
    for byte in path {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(*byte)]),
            0x20..0x7f => quoted.push(char::from(*byte)),
            other => quoted += &format!("\\{other:03o}"),
        }
    }
    quoted + "\""
}

/// After a name with a space, git writes a tab, or patch(1) would take the rest for a date.
fn tabbed(name: &str) -> String {
    let tab = if name.contains(' ') && !name.starts_with('"') {
        "\t"
    } else {
        ""
    };
    format!("{name}{tab}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What git and patch(1) make of a name.
    fn unquoted(name: &str) -> Vec<u8> {
        let Some(inner) = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'))
        else {
            return name.as_bytes().to_vec();
        };
        let mut bytes = Vec::new();
        let mut rest = inner.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'\\' => match rest.next().unwrap() {
                    digit @ b'0'..=b'7' => {
                        let digits = [digit, rest.next().unwrap(), rest.next().unwrap()];
                        let text = String::from_utf8(digits.to_vec()).unwrap();
                        bytes.push(u8::from_str_radix(&text, 8).unwrap());
                    }
                    other => bytes.push(other),
                },
                other => bytes.push(other),
            }
        }
        bytes
    }

    #[test]
    fn names_as_git_has_them() {
        assert_eq!(name("a", b"/etc/hosts"), "a/etc/hosts");
        assert_eq!(name("b", b"/a\"b"), "\"b/a\\\"b\"");
        assert_eq!(name("b", b"/\xff\n"), "\"b/\\377\\012\"");
        assert_eq!(tabbed("a/x y"), "a/x y\t");
    }

    proptest! {
        #[test]
        fn no_name_is_lost_or_obeyed(path in prop::collection::vec(1..=u8::MAX, 0..20)) {
            let path = [b"/", path.as_slice()].concat();
            let name = name("a", &path);
            prop_assert!(!name.chars().any(char::is_control));
            prop_assert_eq!(unquoted(&name), [b"a", path.as_slice()].concat());
        }
    }
}

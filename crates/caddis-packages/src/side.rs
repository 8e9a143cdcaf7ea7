//! The smaller files of the database, which are copied as a whole, too: records that are merged one by one.

use crate::decision::Owner;
use crate::paragraph::{Broken, parse};
use std::collections::{BTreeMap, BTreeSet};

/// How a file's records are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A paragraph for each package and architecture: apt's `extended_states`.
    Paragraphs,
    /// Three lines, of which the first one names the file: `diversions`.
    Diversions,
    /// A line; its fourth word and what follows names the file: `statoverride`.
    Overrides,
    /// A line: `arch`.
    Lines,
    /// A line that names the package that is interested: `triggers/*`.
    Interests,
}

/// Where it is, from `/var/lib` on. `None`: not a file to be merged.
pub(crate) fn form(path: &str) -> Option<Form> {
    match path {
        "apt/extended_states" => Some(Form::Paragraphs),
        "dpkg/diversions" => Some(Form::Diversions),
        "dpkg/statoverride" => Some(Form::Overrides),
        "dpkg/arch" => Some(Form::Lines),
        // One is dpkg's lock, the other what has yet to be done.
        "dpkg/triggers/Lock" | "dpkg/triggers/Unincorp" => None,
        _ => path
            .starts_with("dpkg/triggers/")
            .then_some(Form::Interests),
    }
}

type Records<'a> = Vec<(Vec<u8>, &'a [u8])>;

/// Merges: what the user has not changed is as in the base now. `None`: it stays as the user has it.
pub(crate) fn merge(
    form: Form,
    then: &[&[u8]],
    now: &[u8],
    user: &[u8],
    owner: impl Fn(&[u8]) -> Option<Owner>,
) -> Result<Option<Vec<u8>>, Broken> {
    if form == Form::Interests {
        return Ok(interests(now, user, owner));
    }
    let then: Vec<BTreeMap<Vec<u8>, &[u8]>> = then
        .iter()
        .map(|text| Ok(records(form, text)?.into_iter().collect()))
        .collect::<Result<_, Broken>>()?;
    let (now, own) = (records(form, now)?, records(form, user)?);
    let by_key: BTreeMap<&[u8], &[u8]> = now
        .iter()
        .map(|(key, text)| (key.as_slice(), *text))
        .collect();
    let known: BTreeSet<&[u8]> = own.iter().map(|(key, _)| key.as_slice()).collect();
    let unchanged =
        |key: &[u8], text: Option<&[u8]>| then.iter().any(|then| then.get(key).copied() == text);
    let mut merged = Vec::new();
    for (key, text) in &own {
        merged.extend(if unchanged(key, Some(text)) {
            by_key.get(key.as_slice()).copied()
        } else {
            Some(*text)
        });
    }
    // What nobody knows to have been there when the user's copy was taken is new.
    let new = |key: &[u8]| !known.contains(key) && (then.is_empty() || unchanged(key, None));
    merged.extend(
        now.iter()
            .filter(|(key, _)| new(key))
            .map(|(_, text)| *text),
    );
    if merged.iter().eq(own.iter().map(|(_, text)| text)) {
        return Ok(None);
    }
    let separator: &[u8] = if form == Form::Paragraphs { b"\n" } else { b"" };
    Ok(Some(
        merged
            .iter()
            .flat_map(|text| [*text, separator])
            .flatten()
            .copied()
            .collect(),
    ))
}

/// Lines follow the package that they name: the base's are as in the base now, the user's as the user has them.
fn interests(now: &[u8], user: &[u8], owner: impl Fn(&[u8]) -> Option<Owner>) -> Option<Vec<u8>> {
    let lines = |text| <[u8]>::split_inclusive(text, |byte| *byte == b'\n');
    let of_user = |line: &[u8]| interested(line).and_then(&owner) == Some(Owner::User);
    let of_base = |line: &[u8]| {
        matches!(
            interested(line).and_then(&owner),
            Some(Owner::Base | Owner::BaseAsWanted)
        )
    };
    let mut merged: Vec<&[u8]> = lines(user).filter(|line| !of_base(line)).collect();
    let mut known: BTreeSet<&[u8]> = merged.iter().copied().collect();
    merged.extend(lines(now).filter(|line| !of_user(line) && known.insert(line)));
    let set = |lines: &[&[u8]]| {
        lines
            .iter()
            .map(|line| line.trim_ascii().to_vec())
            .collect::<BTreeSet<_>>()
    };
    let before: Vec<&[u8]> = lines(user).collect();
    if set(&merged) == set(&before) {
        return None;
    }
    let ended = |line: &&[u8]| [line.trim_ascii_end(), b"\n"].concat();
    Some(merged.iter().flat_map(ended).collect())
}

/// The package that a line of a trigger's file names last: `/etc/x rsyslog/noawait`, `libc-bin`, `libc6:amd64`.
fn interested(line: &[u8]) -> Option<&[u8]> {
    let last = line.trim_ascii().rsplit(u8::is_ascii_whitespace).next()?;
    last.split(|byte| b":/".contains(byte))
        .next()
        .filter(|name| !name.is_empty())
}

fn records(form: Form, text: &[u8]) -> Result<Records<'_>, Broken> {
    if text.contains(&0) {
        return Err(Broken("it is not text"));
    }
    if form == Form::Paragraphs {
        let key = |one: &crate::Paragraph<'_>| [one.package, one.architecture].join(&b' ');
        return Ok(parse(text)?
            .iter()
            .map(|one| (key(one), one.text))
            .collect());
    }
    if text.last().is_some_and(|byte| *byte != b'\n') {
        return Err(Broken("its last line breaks off"));
    }
    let count = if form == Form::Diversions { 3 } else { 1 };
    let mut records = Vec::new();
    let (mut start, mut at, mut lines) = (0, 0, 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        lines += 1;
        if lines == count {
            let record = &text[start..at];
            records.push((key(form, record)?, record));
            (start, lines) = (at, 0);
        }
    }
    if lines > 0 {
        return Err(Broken("its last record is not complete"));
    }
    let keys: BTreeSet<&[u8]> = records.iter().map(|(key, _)| key.as_slice()).collect();
    if keys.len() < records.len() {
        return Err(Broken("it has a record twice"));
    }
    Ok(records)
}

fn key(form: Form, record: &[u8]) -> Result<Vec<u8>, Broken> {
    let first = record
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let key = match form {
        Form::Overrides => first.splitn(4, |byte| *byte == b' ').nth(3),
        _ => Some(first),
    };
    key.map(<[u8]>::to_vec)
        .ok_or(Broken("a line of it has too few words"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(form: Form, then: &str, now: &str, user: &str) -> Option<String> {
        let owner = |name: &[u8]| match name.first() {
            Some(b'u') => Some(Owner::User),
            Some(b'b') => Some(Owner::Base),
            _ => None,
        };
        let merged = merge(
            form,
            &[then.as_bytes()],
            now.as_bytes(),
            user.as_bytes(),
            owner,
        )
        .unwrap();
        merged.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn diversions_of_three_lines() {
        let (a, b, c, d) = (
            "/a\n/a.x\n:\n",
            "/b\n/b.x\nb\n",
            "/b\n/b.y\nb\n",
            "/d\n/d.x\nu\n",
        );
        let all = merged(
            Form::Diversions,
            &[a, b].concat(),
            &[c, a].concat(),
            &[a, b, d].concat(),
        );
        assert_eq!(all.as_deref(), Some([a, c, d].concat().as_str()));
        let removed = merged(Form::Diversions, &[a, b].concat(), b, &[a, b, d].concat());
        assert_eq!(removed.as_deref(), Some([b, d].concat().as_str()));
        assert_eq!(merged(Form::Diversions, a, a, d), None);
    }

    #[test]
    fn overrides_by_their_file() {
        let all = merged(
            Form::Overrides,
            "r r 1 /a b\n",
            "r r 2 /a b\nr r 1 /c\n",
            "r r 3 /a b\n",
        );
        assert_eq!(all.as_deref(), Some("r r 3 /a b\nr r 1 /c\n"));
        assert!(records(Form::Overrides, b"r r 1\n").is_err());
    }

    #[test]
    fn flags_of_apt_by_package_and_architecture() {
        let one = |name: &str, auto: u8| {
            format!("Package: {name}\nArchitecture: amd64\nAuto-Installed: {auto}\n\n")
        };
        let all = merged(
            Form::Paragraphs,
            &[one("a", 1), one("b", 1)].concat(),
            &[one("a", 1), one("b", 1), one("c", 1)].concat(),
            &[one("a", 0), one("b", 1), one("d", 1)].concat(),
        );
        assert_eq!(
            all,
            Some([one("a", 0), one("b", 1), one("d", 1), one("c", 1)].concat())
        );
    }

    #[test]
    fn interests_follow_their_package() {
        let all = merged(
            Form::Interests,
            "",
            "/x b1\n/y b2/noawait\n/z u1:amd64\n",
            "/w u1/noawait\n/v b1\n/t gone\n",
        );
        assert_eq!(
            all.as_deref(),
            Some("/w u1/noawait\n/t gone\n/x b1\n/y b2/noawait\n")
        );
        assert_eq!(merged(Form::Interests, "", "/x b1\n", "/x b1\n"), None);
    }

    #[test]
    fn what_cannot_be_understood_is_told() {
        for (form, text) in [
            (Form::Diversions, &b"/a\n/b\n"[..]),
            (Form::Diversions, b"/a\n/b\n:\n/a\n/c\n:\n"),
            (Form::Lines, b"amd64"),
            (Form::Lines, b"\0\n"),
            (Form::Paragraphs, b"x\n"),
        ] {
            assert!(records(form, text).is_err(), "{}", text.escape_ascii());
        }
    }
}

//! Paragraphs of fields, as in `/var/lib/dpkg/status`; see deb822(5).

use std::collections::BTreeSet;
use std::fmt;

/// Why a file cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(pub &'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One paragraph, its bytes as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paragraph<'a> {
    /// The package's name.
    pub package: &'a [u8],
    /// Its architecture; empty where dpkg knows none, as of a package that was never installed.
    pub architecture: &'a [u8],
    /// All of it, with the end of its last line.
    pub text: &'a [u8],
}

impl<'a> Paragraph<'a> {
    /// The value of a field, without the white space around it.
    #[must_use]
    pub fn field(&self, name: &[u8]) -> Option<&'a [u8]> {
        let value =
            |(key, value): (&'a [u8], &'a [u8])| key.eq_ignore_ascii_case(name).then_some(value);
        fields(self.text).find_map(value).map(<[u8]>::trim_ascii)
    }

    /// The words of `Status`: what is wanted, whether it is broken, what it is.
    #[must_use]
    pub fn state(&self) -> Option<[&'a [u8]; 3]> {
        let mut words = self.field(b"Status")?.split(u8::is_ascii_whitespace);
        let words = [words.next()?, words.next()?, words.next()?];
        Some(words)
    }

    /// The version, if its files are there, be it in part.
    #[must_use]
    pub fn installed(&self) -> Option<&'a [u8]> {
        let [_, _, state] = self.state()?;
        let absent = [&b"not-installed"[..], b"config-files"].contains(&state);
        self.field(b"Version").filter(|_| !absent)
    }

    /// Whether both say the same; another dpkg may write the fields in another order.
    pub(crate) fn says(&self, other: &Paragraph<'_>) -> bool {
        self.text == other.text || sorted(self, false) == sorted(other, false)
    }

    /// Whether both say the same but for what is wanted.
    pub(crate) fn says_but_for_want(&self, other: &Paragraph<'_>) -> bool {
        sorted(self, true) == sorted(other, true)
    }
}

/// The fields in the order of their names, in lower case; without the word for what is wanted.
fn sorted<'a>(paragraph: &Paragraph<'a>, without_want: bool) -> Vec<(Vec<u8>, &'a [u8])> {
    let mut all: Vec<(Vec<u8>, &[u8])> = fields(paragraph.text)
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_ascii()))
        .collect();
    if without_want {
        for (_, value) in all.iter_mut().filter(|(name, _)| name == b"status") {
            let end = value.iter().position(u8::is_ascii_whitespace);
            *value = &value[end.unwrap_or(0)..];
        }
    }
    all.sort();
    all
}

/// Name and value of each field; a value has all of its lines.
fn fields(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let name = &rest[..colon];
        let value = &rest[colon + 1..];
        let end = line_ends(value).find(|end| !is_continuation(&value[*end..]));
        let (value, others) = value.split_at(end.unwrap_or(value.len()));
        rest = others;
        Some((name, value))
    })
}

fn line_ends(text: &[u8]) -> impl Iterator<Item = usize> {
    let ends = text.iter().enumerate();
    ends.filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
}

fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// Reads a file of paragraphs, each of which names a package, and none twice for one architecture.
pub fn parse(text: &[u8]) -> Result<Vec<Paragraph<'_>>, Broken> {
    if text.last().is_some_and(|byte| *byte != b'\n') {
        return Err(Broken("its last line breaks off"));
    }
    let (mut paragraphs, mut known) = (Vec::new(), BTreeSet::new());
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line == b"\n" {
            paragraphs.extend(paragraph(&text[start..at])?);
            start = at + 1;
        } else {
            check(line, at == start)?;
        }
        at += line.len();
    }
    paragraphs.extend(paragraph(&text[start..])?);
    for one in &paragraphs {
        if !known.insert((one.package, one.architecture)) {
            return Err(Broken("it has a package twice"));
        }
    }
    Ok(paragraphs)
}

fn check(line: &[u8], first: bool) -> Result<(), Broken> {
    if line.contains(&0) {
        return Err(Broken("it is not text"));
    }
    if is_continuation(line) {
        return if first {
            Err(Broken("a paragraph begins in the midst of a field"))
        } else {
            Ok(())
        };
    }
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) if colon > 0 && line[..colon].iter().all(u8::is_ascii_graphic) => Ok(()),
        _ => Err(Broken("a line of it is no field")),
    }
}

fn paragraph(text: &[u8]) -> Result<Option<Paragraph<'_>>, Broken> {
    if text.is_empty() {
        return Ok(None);
    }
    let unnamed = Paragraph {
        package: b"",
        architecture: b"",
        text,
    };
    let package = unnamed.field(b"Package").unwrap_or_default();
    // As a file's name has it; see pkg_name_is_illegal in dpkg.
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-+._".contains(byte);
    if package.is_empty() || !package.iter().all(fits) {
        return Err(Broken("a paragraph of it names no package"));
    }
    let architecture = unnamed.field(b"Architecture").unwrap_or_default();
    Ok(Some(Paragraph {
        package,
        architecture,
        text,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"Package: a\nStatus: hold ok installed\nArchitecture: all\nVersion: 1.0-1\nDescription: x: y\n more: of it\n .\n end\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 2\n\n";

    #[test]
    fn fields_are_found() {
        let all = parse(TEXT).unwrap();
        let [a, b] = all[..] else { panic!("{all:?}") };
        assert_eq!((a.package, a.architecture), (&b"a"[..], &b"all"[..]));
        assert_eq!(
            a.field(b"description"),
            Some(&b"x: y\n more: of it\n .\n end"[..])
        );
        assert_eq!(a.installed(), Some(&b"1.0-1"[..]));
        assert_eq!(a.state().unwrap()[0], b"hold");
        assert_eq!((b.architecture, b.installed()), (&b""[..], None));
    }

    #[test]
    fn what_dpkg_would_not_have_written_is_broken() {
        for broken in [
            &b"Package: a"[..],
            b"\0\n",
            b" x\n",
            b"Package: a\n\n more\n",
            b"Package: a\nnothing\n",
            b"Version: 1\n",
            b"Package: ../a\n",
            b"Package: a\n\nPackage: a\n",
            b"Pack age: a\n",
        ] {
            assert!(parse(broken).is_err(), "{}", broken.escape_ascii());
        }
        assert_eq!(parse(b"").unwrap(), []);
        assert_eq!(parse(b"\n\n\n").unwrap(), []);
    }

    #[test]
    fn the_order_of_fields_says_nothing() {
        let one = |text| parse(text).unwrap()[0];
        let a = one(b"Package: a\nStatus: install ok installed\nVersion: 1\n");
        let b = one(b"Package: a\nVersion: 1\nStatus:  install ok installed\n");
        let held = one(b"Package: a\nVersion: 1\nStatus: hold ok installed\n");
        let newer = one(b"Package: a\nVersion: 2\nStatus: hold ok installed\n");
        assert!(a.says(&b) && !a.says(&held) && a.says_but_for_want(&held));
        assert!(!a.says_but_for_want(&newer) && !held.says(&newer));
    }
}

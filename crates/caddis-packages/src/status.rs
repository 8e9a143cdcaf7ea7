//! A status file by packages. All architectures of a package go together: they must have one version, and dpkg
//! refuses to read a file with two of them where only one may be installed.

use crate::paragraph::{Broken, Paragraph, parse};
use std::collections::{BTreeMap, BTreeSet};

/// A status file.
#[derive(Debug, Default)]
pub(crate) struct Status<'a> {
    packages: BTreeMap<&'a [u8], Group<'a>>,
    /// As they are in the file.
    order: Vec<&'a [u8]>,
}

/// The paragraphs of one package, by architecture.
#[derive(Debug, Default)]
pub(crate) struct Group<'a>(pub(crate) Vec<Paragraph<'a>>);

impl<'a> Status<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Result<Status<'a>, Broken> {
        let mut status = Status::default();
        for paragraph in parse(text)? {
            let group = status.packages.entry(paragraph.package).or_default();
            if group.0.is_empty() {
                status.order.push(paragraph.package);
            }
            group.0.push(paragraph);
        }
        for group in status.packages.values_mut() {
            group.0.sort_by_key(|paragraph| paragraph.architecture);
        }
        Ok(status)
    }

    pub(crate) fn get(&self, package: &[u8]) -> Option<&Group<'a>> {
        self.packages.get(package)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.packages.keys().copied()
    }

    /// The file again, each package replaced by what `choose` says of it, further packages where their names belong.
    pub(crate) fn write(
        &self,
        more: &BTreeSet<&[u8]>,
        mut choose: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Vec<u8> {
        let mut text = Vec::new();
        let mut more = more
            .iter()
            .filter(|name| !self.packages.contains_key(**name))
            .peekable();
        let sorted = self.order.is_sorted();
        for own in &self.order {
            while let Some(name) = more.next_if(|name| sorted && **name < *own) {
                choose(name, &mut text);
            }
            choose(own, &mut text);
        }
        more.for_each(|name| choose(name, &mut text));
        text
    }
}

impl Group<'_> {
    /// Whether both say the same.
    pub(crate) fn says(&self, other: &Group<'_>) -> bool {
        self.pairs(other, |a, b| a.says(b))
    }

    /// Whether both say the same but for what is wanted.
    pub(crate) fn says_but_for_want(&self, other: &Group<'_>) -> bool {
        self.pairs(other, |a, b| a.says_but_for_want(b))
    }

    fn pairs(
        &self,
        other: &Group<'_>,
        same: impl Fn(&Paragraph<'_>, &Paragraph<'_>) -> bool,
    ) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| same(a, b))
    }

    /// The first installed version.
    pub(crate) fn version(&self) -> Option<&[u8]> {
        self.0.iter().find_map(Paragraph::installed)
    }

    /// What is wanted of the package.
    pub(crate) fn want(&self, architecture: &[u8]) -> Option<&[u8]> {
        let one = self.0.iter().find(|one| one.architecture == architecture);
        one.or(self.0.first())?.state().map(|[want, _, _]| want)
    }

    /// Adds the paragraphs to a file.
    pub(crate) fn write(&self, text: &mut Vec<u8>) {
        for paragraph in &self.0 {
            text.extend_from_slice(paragraph.text);
            text.push(b'\n');
        }
    }

    /// The same with what somebody else wants of the package.
    pub(crate) fn write_wanted(&self, as_in: &Group<'_>, text: &mut Vec<u8>) {
        for paragraph in &self.0 {
            let wanted = as_in.want(paragraph.architecture).unwrap_or(b"install");
            for line in paragraph.text.split_inclusive(|byte| *byte == b'\n') {
                match (
                    line.iter().position(|byte| *byte == b':'),
                    paragraph.state(),
                ) {
                    (Some(at), Some([_, flag, state]))
                        if line[..at].eq_ignore_ascii_case(b"Status") =>
                    {
                        text.extend([b"Status:", wanted, flag, state].join(&b' '));
                        text.push(b'\n');
                    }
                    _ => text.extend_from_slice(line),
                }
            }
            text.push(b'\n');
        }
    }
}

/// Whether both say the same, or neither is there.
pub(crate) fn same(a: Option<&Group<'_>>, b: Option<&Group<'_>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.says(b),
        (None, None) => true,
        _ => false,
    }
}

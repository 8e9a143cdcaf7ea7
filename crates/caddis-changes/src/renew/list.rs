//! Which names of an environment are renewed: a file of root's in its directory, so that they can be given back without
//! a look at all of the changes.

use caddis_view::Result;
use caddis_view::credentials::{as_writer, give_to_root};
use caddis_view::error::{Context, write_all};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const NAME: &str = "renewed";
const NEW: &str = "renewed.new";

/// A name that was renewed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The mount point of the overlay.
    pub(super) at: PathBuf,
    /// Its path.
    pub(super) path: PathBuf,
}

/// What was put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file, which has a mark; and which one, as it was left in its place (its [`identity`](super::mark::identity)). What
    /// was not noted of one by a process that was killed then is `None`.
    File(Option<[i64; 3]>),
    /// A symbolic link to this.
    Link(CString),
    /// Nothing: a whiteout.
    Nothing,
}

/// All of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct List {
    pub(super) entries: BTreeMap<Entry, Kind>,
}

impl List {
    /// Reads it. `None`: there is none, as in most environments.
    pub(super) fn read(environment: impl AsFd) -> Result<Option<List>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(environment, NAME, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno).doing("open", || NAME),
        };
        let text = caddis_view::start::read_all(&file)?;
        Ok(Some(List::parse(&text)))
    }

    /// Writes it, before anything that it names is made; takes it away when it is empty.
    pub(super) fn write(&self, environment: impl AsFd) -> Result<()> {
        let environment = environment.as_fd();
        if self.entries.is_empty() {
            return match unlinkat(environment, NAME, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(errno).doing("remove", || NAME),
            };
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        as_writer(|| {
            let file = openat(environment, NEW, flags, mode).doing("create", || NEW)?;
            write_all(&file, &self.text()).doing("write", || NEW)?;
            give_to_root(environment, NEW).doing("chown", || NEW)?;
            renameat(environment, NEW, environment, NAME).doing("rename", || NEW)
        })
    }

    /// Kind, mount point, path, each with a NUL after it, which no path can hold.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (Entry { at, path }, kind) in &self.entries {
            let kind = match kind {
                Kind::File(None) => b"file".to_vec(),
                Kind::File(Some([inode, seconds, nanoseconds])) => {
                    format!("file {inode} {seconds} {nanoseconds}").into_bytes()
                }
                Kind::Nothing => b"nothing".to_vec(),
                Kind::Link(target) => [b"link ", target.as_bytes()].concat(),
            };
            let paths = [at, path].map(|path| path.as_os_str().as_bytes());
            for field in [&kind[..], paths[0], paths[1]] {
                text.extend_from_slice(field);
                text.push(0);
            }
        }
        text
    }

    fn parse(text: &[u8]) -> List {
        let mut fields = text.split(|byte| *byte == 0);
        let mut list = List::default();
        while let (Some(kind), Some(at), Some(path)) = (fields.next(), fields.next(), fields.next())
        {
            let kind = match kind {
                b"file" => Kind::File(None),
                b"nothing" => Kind::Nothing,
                other => match (other.strip_prefix(b"file "), other.strip_prefix(b"link ")) {
                    (Some(numbers), _) => Kind::File(identity(numbers)),
                    (_, Some(target)) => match CString::new(target) {
                        Ok(target) => Kind::Link(target),
                        Err(_) => continue,
                    },
                    _ => continue,
                },
            };
            let [at, path] = [at, path].map(|path| PathBuf::from(OsStr::from_bytes(path)));
            list.entries.insert(Entry { at, path }, kind);
        }
        list
    }
}

/// Three numbers.
fn identity(text: &[u8]) -> Option<[i64; 3]> {
    let numbers = std::str::from_utf8(text).ok()?.split(' ').map(str::parse);
    let numbers: Vec<i64> = numbers.collect::<std::result::Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind() -> impl Strategy<Value = Kind> {
        let file = any::<Option<[i64; 3]>>().prop_map(Kind::File);
        let target = "[^\0]{1,9}".prop_map(|target| Kind::Link(CString::new(target).unwrap()));
        prop_oneof![file, Just(Kind::Nothing), target]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(paths in prop::collection::btree_map(("/[^\0]{0,9}", "/[^\0]{0,9}"), kind(), 0..5)) {
            let entries = paths.into_iter().map(|((at, path), kind)| (Entry { at: at.into(), path: path.into() }, kind));
            let list = List { entries: entries.collect() };
            prop_assert_eq!(List::parse(&list.text()), list);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: Vec<u8>) {
            let _ = List::parse(&text);
        }
    }
}

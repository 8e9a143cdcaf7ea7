//! Events as the kernel writes them, read without trust in any length.

use crate::FileHandle;

/// `FANOTIFY_METADATA_VERSION`
const VERSION: u8 = 3;
/// `FAN_EVENT_INFO_TYPE_DFID_NAME` and `FAN_EVENT_INFO_TYPE_DFID`: what follows is a directory, with or without a name.
const DIRECTORY: [u8; 2] = [2, 3];

/// Something happened to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// What.
    pub mask: u64,
    /// In which directory; `None`: the event has no place.
    pub directory: Option<Directory<'a>>,
    /// Which name; "." or none: the directory itself.
    pub name: &'a [u8],
}

/// A directory of a file system. Two are the same when their bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Directory<'a>(&'a [u8]);

impl<'a> Directory<'a> {
    /// File system and handle together.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Which file system, as `f_fsid` of statvfs(3) has it.
    #[must_use]
    pub fn filesystem(self) -> u64 {
        let half = |at| number(self.0, at).map_or(0, u32::from_ne_bytes);
        u64::from(half(0)) | u64::from(half(4)) << 32
    }

    /// What that file system calls it.
    #[must_use]
    pub fn handle(self) -> FileHandle<'a> {
        FileHandle {
            kind: number(self.0, 12).map_or(0, i32::from_ne_bytes),
            bytes: self.0.get(16..).unwrap_or_default(),
        }
    }
}

/// The events in what was read from a queue.
#[derive(Debug, Clone)]
pub struct Events<'a>(&'a [u8]);

impl<'a> Events<'a> {
    /// Those in `buffer`.
    #[must_use]
    pub fn new(buffer: &'a [u8]) -> Events<'a> {
        Events(buffer)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let length = u32::from_ne_bytes(number(self.0, 0)?);
        let (event, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        let header = usize::from(u16::from_ne_bytes(number(event, 6)?));
        // One of another version cannot be understood, and neither can what follows.
        if *event.get(4)? != VERSION || header < 24 {
            return None;
        }
        let mask = u64::from_ne_bytes(number(event, 8)?);
        let (directory, name) = place(event.get(header..)?);
        self.0 = rest;
        Some(Event {
            mask,
            directory,
            name,
        })
    }
}

/// The first directory among an event's records, and the name in it.
fn place(mut records: &[u8]) -> (Option<Directory<'_>>, &[u8]) {
    while let Some((record, rest)) = split_record(records) {
        if record.first().is_some_and(|kind| DIRECTORY.contains(kind))
            && let Some(found) = directory(&record[4..])
        {
            return found;
        }
        records = rest;
    }
    (None, &[])
}

/// A record is its kind, a byte of padding, its length, and the rest.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_ne_bytes(number(records, 2)?));
    if length < 4 {
        return None;
    }
    records.split_at_checked(length)
}

/// File system (8 bytes), length of the handle, its kind, the handle, a name that a zero byte ends.
fn directory(record: &[u8]) -> Option<(Option<Directory<'_>>, &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(number(record, 8)?)).ok()?;
    let (directory, name) = record.split_at_checked(length.checked_add(16)?)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Some((Some(Directory(directory)), name))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the kernel lays it out.
    fn event(mask: u64, records: &[u8]) -> Vec<u8> {
        let length = u32::try_from(24 + records.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend([VERSION, 0]);
        bytes.extend(24_u16.to_ne_bytes());
        bytes.extend(mask.to_ne_bytes());
        bytes.extend([0xff; 4]);
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(records);
        bytes
    }

    fn record(kind: u8, handle: &[u8], name: &[u8]) -> Vec<u8> {
        let mut rest = vec![1, 0, 0, 0, 2, 0, 0, 0];
        rest.extend(u32::try_from(handle.len()).unwrap().to_ne_bytes());
        rest.extend(9_i32.to_ne_bytes());
        rest.extend(handle);
        rest.extend(name);
        rest.push(0);
        let length = u16::try_from(rest.len() + 4).unwrap();
        [&[kind, 0], &length.to_ne_bytes()[..], &rest].concat()
    }

    #[test]
    fn events_follow_each_other() {
        let mut buffer = event(
            0x100,
            &[record(1, b"file", b""), record(2, b"dir", b"name")].concat(),
        );
        buffer.extend(event(0x4000, &[]));
        let found: Vec<_> = Events::new(&buffer).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].mask, found[0].name), (0x100, &b"name"[..]));
        let directory = found[0].directory.unwrap();
        assert_eq!(directory.handle().bytes, b"dir");
        assert_eq!(directory.handle().kind, 9);
        assert_eq!(
            directory.filesystem().to_ne_bytes(),
            [1, 0, 0, 0, 2, 0, 0, 0]
        );
        assert_eq!((found[1].mask, found[1].directory), (0x4000, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            for event in Events::new(&bytes) {
                if let Some(directory) = event.directory {
                    let _ = (directory.filesystem(), directory.handle());
                }
            }
        }

        /// Lengths that lie, in an event that is otherwise right.
        #[test]
        fn broken_events_are_read_without_a_panic(
            handle in prop::collection::vec(any::<u8>(), 0..40),
            name in prop::collection::vec(1_u8.., 0..40),
            changes in prop::collection::vec((0_usize..140, any::<u8>()), 0..4),
        ) {
            let mut bytes = event(1, &record(2, &handle, &name));
            bytes.extend(event(2, &record(3, &handle, b"")));
            for (at, value) in changes {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            let count = Events::new(&bytes).inspect(|event| {
                let _ = event.directory.map(Directory::handle);
            }).count();
            prop_assert!(count <= bytes.len() / 24);
        }

        #[test]
        fn what_was_written_is_read(handle in prop::collection::vec(any::<u8>(), 0..40), name in prop::collection::vec(1_u8.., 0..40)) {
            let bytes = event(1, &record(2, &handle, &name));
            let read: Vec<_> = Events::new(&bytes).collect();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].name, &name[..]);
            prop_assert_eq!(read[0].directory.unwrap().handle().bytes, &handle[..]);
        }
    }
}

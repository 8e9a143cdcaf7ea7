//! Reads the queue of events, and keeps what a refresh has to know.

use super::filesystems::FileSystems;
use super::places::Places;
use caddis_sys::fanotify::{self, Event, Events};
use caddis_view::Result;
use caddis_view::error::Context;
use caddis_view::veil::Names;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// How many names are kept for the veil; of more it is enough to know that they were many.
const MOST: usize = 1024;

/// How often the queue is read in a row. It holds 16384 events; who makes more all the time does not keep us here.
const READS: usize = 64;

/// A read takes some 2000 events at once.
const BUFFER: usize = 128 * 1024;

/// What happened where it matters.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The names, as many as are kept.
    pub(super) names: Names,
    /// How many events there were.
    pub(super) count: usize,
    /// There were more names than are kept, or than the queue held.
    pub(super) incomplete: bool,
    /// The queue did not hold all events.
    pub(super) overflow: bool,
}

impl Gathered {
    /// Whether there is anything to do.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && !self.overflow
    }

    /// Reads what there is.
    pub(super) fn read(filesystems: &mut FileSystems, places: &Places) -> Result<Gathered> {
        let mut gathered = Gathered::default();
        let mut buffer = vec![0; BUFFER];
        for _ in 0..READS {
            let length = match rustix::io::read(filesystems.queue(), &mut buffer) {
                Ok(length) => length,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno).doing("read", || "events"),
            };
            for event in Events::new(&buffer[..length]) {
                gathered.take(&event, filesystems, places);
            }
        }
        Ok(gathered)
    }

    fn take(&mut self, event: &Event<'_>, filesystems: &mut FileSystems, places: &Places) {
        if event.mask & fanotify::Q_OVERFLOW != 0 {
            (self.overflow, self.incomplete) = (true, true);
            // A directory may have moved meanwhile.
            filesystems.forget();
        }
        let Some(directory) = event.directory else {
            return;
        };
        let Some(path) = filesystems.place_of(directory, places) else {
            return;
        };
        self.count += 1;
        let moved = event.mask & (fanotify::MOVED_FROM | fanotify::MOVED_TO) != 0
            && event.mask & fanotify::ONDIR != 0;
        if self.names.len() >= MOST {
            self.incomplete = true;
        } else {
            let path = match event.name {
                b"" | b"." => path.to_owned(),
                name => PathBuf::from(path).join(OsStr::from_bytes(name)),
            };
            let arrived = moved && event.mask & fanotify::MOVED_TO != 0;
            if arrived {
                self.names.moved.insert(path);
            } else {
                self.names.changed.insert(path);
            }
        }
        if moved {
            filesystems.forget();
        }
    }

    /// What it was about, for people.
    pub(super) fn describe(&self) -> String {
        if self.overflow {
            return "more than the kernel's queue holds".to_owned();
        }
        let first = self.names.changed.first().or(self.names.moved.first());
        let first = first.map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        match self.names.len() {
            0 | 1 => first,
            more if self.incomplete => format!("{first} and more than {more} others"),
            more => format!("{first} and {} more", more - 1),
        }
    }
}

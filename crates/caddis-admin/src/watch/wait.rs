//! Waits for what comes next, and for nothing that is not due yet.

use super::watcher::Watcher;
use caddis_view::error::Context;
use caddis_view::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::cell::Cell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// What has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Signals can be read.
    Signal,
    /// Work that was put off is due.
    Time,
    /// Something was mounted or unmounted.
    Mounts,
    /// Events can be read.
    Events,
}

/// Where news come from, besides the queue of events.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    signals: &'a OwnedFd,
    /// To be polled only; see proc_pid_mountinfo(5).
    mounts: File,
    /// It had news, which it tells once, and nobody has looked at the mounts since.
    news: Cell<bool>,
}

impl Sources<'_> {
    pub(super) fn open(signals: &OwnedFd) -> Result<Sources<'_>> {
        let path = "/proc/self/mountinfo";
        let mounts = File::open(path).map_err(|error| Error::refused("open", path, error))?;
        let news = Cell::new(false);
        Ok(Sources {
            signals,
            mounts,
            news,
        })
    }

    /// Waits. While `watcher` rests from something, that is not even looked at: to ask for news of mounts is to have
    /// had them.
    pub(super) fn wait(&self, watcher: &Watcher) -> Result<Awaited> {
        loop {
            let (due, rests) = (watcher.due(), watcher.rests());
            if rests.mounts.is_none() && self.news.take() {
                return Ok(Awaited::Mounts);
            }
            let mut kinds = vec![Awaited::Signal];
            let mut ready = vec![PollFd::new(self.signals, PollFlags::IN)];
            if rests.mounts.is_none() {
                kinds.push(Awaited::Mounts);
                ready.push(PollFd::new(&self.mounts, PollFlags::PRI));
            }
            if rests.events.is_none() {
                kinds.push(Awaited::Events);
                ready.push(PollFd::new(watcher.queue(), PollFlags::IN));
            }
            let timeout = [due, rests.mounts, rests.events]
                .into_iter()
                .flatten()
                .min();
            match poll(&mut ready, timeout.map(timespec).as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).doing("poll", || "for events"),
            }
            let come = kinds.iter().zip(&ready);
            let mut come = come.filter(|(_, one)| !one.revents().is_empty());
            if come.clone().any(|(kind, _)| *kind == Awaited::Mounts) {
                self.news.set(true);
            }
            match come.next().map(|(kind, _)| *kind) {
                Some(Awaited::Signal) => return Ok(Awaited::Signal),
                Some(Awaited::Mounts) => {}
                _ if watcher.due().is_some_and(|due| due.is_zero()) => return Ok(Awaited::Time),
                Some(kind) => return Ok(kind),
                None => {}
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

//! A running instance, as it is found: `/run/caddis/UID/NAME/` holds a lock, the FIFO that counts
//! sessions, and a record of process 1. Nothing in there has to be right: what a killed process left
//! is recognised as such, because the kernel says who is alive and who holds a FIFO open.

use crate::ending::{wait_for_end, wait_until_gone};
use crate::error::{Context, Error, Result};
use crate::lock::{lock_deadline, lock_within_reason};
use crate::notes::{BOUND, DEALING, REFRESHED};
use crate::owner::OWNER;
use crate::process::Stat;
use crate::record::{RUNS, Record};
use crate::stopping::{self, Asked};
use crate::store::{entries, root_directory, top_directory};
use crate::visits;
use caddis_policy::EnvName;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

const LOCK: &str = "lock";
pub(crate) const SESSIONS: &str = "sessions";
const RECORD: &str = "init";

/// The error number of an operation on an environment that was removed while it waited.
pub const REMOVED: Errno = Errno::STALE;

/// The run-time directory of an environment, locked: nobody else starts, joins or ends its instance.
///
/// It exists while an instance runs, or a try waits to be kept or discarded: when the lock is
/// released and neither is true, the directory is removed. [`Runtime::sweep`] removes what an
/// instance leaves that ends by itself.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) directory: OwnedFd,
    /// `None`: nobody holds it here.
    lock: Option<OwnedFd>,
    /// The lock is held; not while its holder waits.
    held: Cell<bool>,
    /// Another process holds the same lock on purpose: it stays when this one lets go of it.
    shared: Cell<bool>,
    pub(crate) name: String,
    uid: u32,
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Process 1 holds the lock, too, before it has written a record.
        if !self.held.get() || self.shared.get() {
            return;
        }
        // What cannot be looked at or removed now is swept later.
        if self.is_needed().is_ok_and(|needed| !needed) {
            let _ = self.remove_all();
        }
        let _ = self.unlock();
    }
}

/// Process 1 of a running instance.
#[derive(Debug)]
pub struct Instance {
    /// A descriptor that can never mean another process.
    pub pidfd: OwnedFd,
    /// Its id on the host.
    pub pid: Pid,
}

impl Instance {
    /// Process 1 has been killed or ends, though it may still be seen.
    pub(crate) fn is_doomed(&self) -> Result<bool> {
        Ok(Stat::of(self.pid.as_raw_nonzero().get())?.is_none_or(|stat| stat.doomed))
    }

    /// Process 1 is gone.
    pub fn has_ended(&self) -> Result<bool> {
        wait_for_end(&self.pidfd, Some(Duration::ZERO))
    }
}

impl Runtime {
    /// Opens and locks the run-time directory of environment `name` of user `uid`, made if need be.
    pub fn lock(run: &Path, uid: u32, name: &EnvName) -> Result<Runtime> {
        Runtime::lock_before(lock_deadline(), run, uid, name)
    }

    /// The same, where several are locked one after the other: all of them wait until `end` at
    /// most.
    pub fn lock_before(end: Instant, run: &Path, uid: u32, name: &EnvName) -> Result<Runtime> {
        loop {
            let user = root_directory(top_directory(run)?, &uid.to_string(), true)?;
            let directory = match root_directory(&user, name.as_str(), true) {
                // Removed by somebody else between the two steps.
                Err(error) if error.errno == Some(Errno::NOENT) => continue,
                other => other?,
            };
            let Some(lock) = open_lock(&directory)? else {
                continue;
            };
            lock_within_reason(&lock, name.as_str(), end)?;
            let stat = fstat(&lock).doing("stat", || "the lock")?;
            if stat.st_nlink > 0 {
                return Ok(Runtime::new(directory, Some(lock), uid, name));
            }
            // Others use it without an end.
            if Instant::now() >= end {
                return Err(removed(name.as_str()));
            }
        }
    }

    /// `lock`: it is held.
    fn new(directory: OwnedFd, lock: Option<OwnedFd>, uid: u32, name: &EnvName) -> Runtime {
        Runtime {
            directory,
            held: Cell::new(lock.is_some()),
            shared: Cell::new(false),
            lock,
            name: name.to_string(),
            uid,
        }
    }

    fn lock_file(&self) -> Result<&OwnedFd> {
        let none = || Error::refused("lock the environment", &self.name, "it was only looked at");
        self.lock.as_ref().ok_or_else(none)
    }

    /// Lets others go on.
    fn unlock(&self) -> Result<()> {
        self.held.set(false);
        flock(self.lock_file()?, FlockOperation::Unlock).doing("unlock", || &self.name)
    }

    /// Releases the lock of an environment that runs. It is unlocked, not only closed: a child of ours
    /// that hangs in the kernel may hold a copy of the descriptor.
    pub fn leave_running(self) {
        let _ = self.unlock();
    }

    /// In a child: leaves the lock to the process that it is a copy of.
    pub(crate) fn leave_to_another(mut self) {
        self.held.set(false);
        self.lock = None;
    }

    /// Another descriptor of the lock: it is held until both are closed, or one is unlocked.
    pub(crate) fn duplicate_lock(&self) -> Result<OwnedFd> {
        self.shared.set(true);
        rustix::io::fcntl_dupfd_cloexec(self.lock_file()?, 3).doing("dup", || "the lock")
    }

    /// Removes what ended instances of user `uid` have left in `run`: process 1 has no right to do
    /// so.
    pub fn sweep(run: &Path, uid: u32) -> Result<()> {
        let listed = root_directory(top_directory(run)?, &uid.to_string(), false).and_then(entries);
        let names = match listed {
            Err(error) if error.errno == Some(Errno::NOENT) => return Ok(()),
            other => other?,
        };
        let names = names.iter().map(|name| EnvName::parse(name.as_bytes()));
        for name in names.filter_map(std::result::Result::ok) {
            Runtime::sweep_one(run, uid, &name)?;
        }
        Ok(())
    }

    /// The same for one environment.
    pub fn sweep_one(run: &Path, uid: u32, name: &EnvName) -> Result<()> {
        let Some(found) = Runtime::look(run, uid, name)? else {
            return Ok(());
        };
        if found.is_needed()? {
            return Ok(());
        }
        // The holder of the lock starts an instance, or removes the directory itself.
        let Some(lock) = open_lock(&found.directory)? else {
            return Ok(());
        };
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(()),
            other => other.doing("lock", || name)?,
        }
        if fstat(&lock).doing("stat", || "the lock")?.st_nlink > 0 {
            let directory = rustix::io::fcntl_dupfd_cloexec(&found.directory, 3);
            let directory = directory.doing("dup", || name)?;
            drop(Runtime::new(directory, Some(lock), uid, name));
        }
        Ok(())
    }

    /// Whether an instance lives or is ending, or the process that must keep or discard a try
    /// lives.
    fn is_needed(&self) -> Result<bool> {
        let lives = match self.record()? {
            Some(record) => record.process_1()?.is_some(),
            None => false,
        };
        Ok(lives || self.owner()?.is_some())
    }

    /// The run-time directory, without its lock.
    fn look(run: &Path, uid: u32, name: &EnvName) -> Result<Option<Runtime>> {
        let directory = directory(run, uid, name)?;
        Ok(directory.map(|directory| Runtime::new(directory, None, uid, name)))
    }

    /// A second, independent handle on the lock, for process 1.
    pub(crate) fn another_lock(&self) -> Result<OwnedFd> {
        open_lock(&self.directory)?.ok_or_else(|| Error::kernel("open", "the lock", Errno::NOENT))
    }

    /// The instance that can be joined. One that is ending is waited for, since two overlays must not
    /// have the same upper layer; until `end` at most.
    ///
    /// # Errors
    /// [`REMOVED`] among others: the environment was removed meanwhile.
    pub fn running(&self, end: Instant) -> Result<Option<Instance>> {
        loop {
            let Some(record) = self.record()? else {
                return Ok(None);
            };
            let pid = record.pid;
            let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(pidfd) => pidfd,
                Err(Errno::SRCH) => return Ok(None),
                Err(errno) => return Err(errno).doing("pidfd_open", || pid.as_raw_nonzero()),
            };
            // Read after the descriptor was opened: if the start time is right now, it was right then.
            let Some(process_1) = record.process_1()? else {
                return Ok(None);
            };
            if wait_for_end(&pidfd, Some(Duration::ZERO))? {
                return Ok(None);
            }
            if record.state == RUNS && !process_1.doomed {
                return Ok(Some(Instance { pidfd, pid }));
            }
            // Without the lock, for which process 1 may itself be waiting.
            self.wait_until_gone(&Instance { pidfd, pid }, end)?;
        }
    }

    /// Waits for the end of an instance whose process 1 is ending or was killed, until `end` at most; the
    /// lock is given back meanwhile.
    pub fn wait_until_gone(&self, instance: &Instance, end: Instant) -> Result<()> {
        let named = |error: Error| {
            let object = format!("the former instance of {}", self.label());
            error.with_object(object)
        };
        self.without_lock(end, || wait_until_gone(instance, end).map_err(named))
    }

    fn label(&self) -> String {
        format!("environment \"{}\"", self.name)
    }

    /// Waits for something; others may have the lock meanwhile. It is taken back before `end`.
    pub(crate) fn without_lock(
        &self,
        end: Instant,
        wait: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.unlock()?;
        wait()?;
        self.lock_again(end)
    }

    /// Takes the lock back after a wait without it.
    ///
    /// # Errors
    /// [`REMOVED`] if the environment was removed meanwhile, or its run-time directory was swept:
    /// lock it again and look. Other errors are the kernel's.
    fn lock_again(&self, end: Instant) -> Result<()> {
        let lock = self.lock_file()?;
        lock_within_reason(lock, &self.name, end)?;
        if fstat(lock).doing("stat", || "the lock")?.st_nlink > 0 {
            self.held.set(true);
            return Ok(());
        }
        Err(removed(&self.name))
    }

    /// The instance that runs now, without a lock: good enough to be shown.
    pub fn peek(run: &Path, uid: u32, name: &EnvName) -> Result<Option<Instance>> {
        let found = Runtime::peek_with_record(run, uid, name)?;
        Ok(found.map(|(instance, _)| instance))
    }

    /// The same, and the record in which its process 1 has noted itself.
    pub(crate) fn peek_with_record(
        run: &Path,
        uid: u32,
        name: &EnvName,
    ) -> Result<Option<(Instance, OwnedFd)>> {
        let Some(directory) = directory(run, uid, name)? else {
            return Ok(None);
        };
        let Some((record, file)) = read_record(&directory, name.as_str())? else {
            return Ok(None);
        };
        let pid = record.pid;
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(None);
        };
        let same = record.process_1()?.is_some();
        let ended = wait_for_end(&pidfd, Some(Duration::ZERO))?;
        Ok((same && !ended).then_some((Instance { pidfd, pid }, file)))
    }

    fn record(&self) -> Result<Option<Record>> {
        let read = read_record(&self.directory, &self.name)?;
        Ok(read.map(|(record, _)| record))
    }

    /// Opens the file in which process 1 notes who it is.
    pub(crate) fn new_record(&self) -> Result<OwnedFd> {
        self.clear(RECORD);
        let flags = visits::OPEN | OFlags::CREATE | OFlags::EXCL;
        openat(&self.directory, RECORD, flags, Mode::RUSR | Mode::WUSR)
            .doing("create the record of", || &self.name)
    }

    /// Makes room for a new file. What cannot be taken away shows when that is made.
    pub(crate) fn clear(&self, name: &str) {
        if unlinkat(&self.directory, name, AtFlags::empty()) == Err(Errno::ISDIR) {
            let _ = unlinkat(&self.directory, name, AtFlags::REMOVEDIR);
        }
    }

    /// The record of an instance that runs, to be written to.
    pub(crate) fn open_record(&self) -> Result<OwnedFd> {
        openat(&self.directory, RECORD, visits::OPEN, Mode::empty())
            .doing("open the record of", || &self.name)
    }

    /// Ends the instance: SIGTERM to all of its processes, then, after `grace`, SIGKILL.
    ///
    /// The lock is given back while this waits, because process 1 may be waiting for it in turn; the
    /// record keeps others from joining meanwhile. Others may start it again before the lock is taken
    /// back: so nothing is ended after `end`, however often the caller tries.
    pub fn stop(&self, instance: &Instance, grace: Duration, end: Instant) -> Result<()> {
        let label = &self.label();
        if Instant::now() >= end {
            let reason = "there is no time left: it is locked or started again and again";
            return Err(Error::refused("stop", label, reason)
                .hint("end the processes that use it (`caddis ps` shows them), and try again"));
        }
        stopping::ask(instance, &self.open_record()?, label)?;
        self.unlock()?;
        let number = 0;
        let mut left = vec![Asked {
            number,
            instance,
            label,
        }];
        if let Some((_, error)) = stopping::end(&mut left, grace, Some(end)).pop() {
            return Err(error);
        }
        self.lock_again(end)
    }

    /// Removes the directory. From here on, the lock is held on a file without a name, so a process
    /// that waits for it looks again. The lock goes last: a process that makes another one in the
    /// directory has begun to use it.
    fn remove_all(&self) -> Result<()> {
        // Opened before there is no way up any more.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let user = openat(&self.directory, "..", flags, Mode::empty());
        let user = user.doing("open", || "the run-time directory")?;
        for name in [RECORD, SESSIONS, BOUND, OWNER, REFRESHED, DEALING, LOCK] {
            match unlinkat(&self.directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno).doing("remove", || name),
            }
        }
        // Each is there still if somebody has just begun to use it.
        let _ = unlinkat(&user, &self.name, AtFlags::REMOVEDIR);
        let _ = unlinkat(&user, format!("../{}", self.uid), AtFlags::REMOVEDIR);
        Ok(())
    }
}

/// What is returned as [`REMOVED`].
fn removed(name: &str) -> Error {
    let object = format!("the environment \"{name}\"");
    let mut error = Error::kernel("use", object, REMOVED);
    error.reason = "it was removed at this moment".to_owned();
    error
}

/// The record in the run-time directory of `name`, and its file, which can be written to.
fn read_record(directory: &OwnedFd, name: &str) -> Result<Option<(Record, OwnedFd)>> {
    // A FIFO would keep us waiting for its other side. What is no file, and no record, is in the
    // way at most.
    let flags = visits::OPEN | OFlags::NONBLOCK;
    let file = match openat(directory, RECORD, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(None),
        Err(errno) => return Err(errno).doing("open the record of", || name),
    };
    let stat = fstat(&file).doing("stat the record of", || name)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let mut buffer = [0_u8; visits::RECORD];
    let length = rustix::io::read(&file, &mut buffer).doing("read the record of", || name)?;
    let record = Record::parse(&buffer[..length], stat.st_ino);
    Ok(record.map(|record| (record, file)))
}

/// The run-time directory of an environment, if there is one.
pub(crate) fn directory(run: &Path, uid: u32, name: &EnvName) -> Result<Option<OwnedFd>> {
    let open = || {
        let user = root_directory(top_directory(run)?, &uid.to_string(), false)?;
        root_directory(&user, name.as_str(), false)
    };
    match open() {
        Err(error) if error.errno == Some(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

fn open_lock(directory: &OwnedFd) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match openat(directory, LOCK, flags, Mode::RUSR | Mode::WUSR) {
        Ok(lock) => Ok(Some(lock)),
        // The directory has been removed.
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).doing("open", || "the lock"),
    }
}

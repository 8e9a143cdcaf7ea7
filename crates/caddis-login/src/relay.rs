//! The forwarded agent: a socket inside that leads to one of the host's.
//!
//! A socket cannot be made to appear in the environment by its owner, who may mount nothing there; and mounting it would
//! be work for the setuid helper, at a path of the user's choice. So a process of the user's listens at the same path and
//! passes everything on. It has the host's socket as a descriptor that is good for nothing but to connect to it.
//!
//! It ends with the session's first process, holds nothing of the session's (sshd waits for whoever has its pipes), and
//! is a child of nobody in it, so that no shell is surprised by a child that it has not started.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use caddis_sys::{block_all, signalfd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{lstat, rmdir, unlink};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, accept_with, connect, socket_with};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::beside::{self, FLAGS};
use crate::carry::make_directory_of;
use crate::stream::Stream;

/// How many connections there may be at a time.
const MOST: usize = 64;

/// Starts the relay and returns where it listens: at `path`, or beside it where another session's relay does already.
pub fn start(target: OwnedFd, path: &Path) -> io::Result<PathBuf> {
    let session = pidfd_open(getpid(), PidfdFlags::empty())?;
    let place = Place::take(path)?;
    match beside::fork() {
        Ok(None) => {
            // Whoever logs in is not told that this ends.
            let _ = place.serve(&target, &session);
            place.leave();
            std::process::exit(0);
        }
        Ok(Some(_)) => Ok(place.path),
        Err(errno) => {
            place.leave();
            Err(errno.into())
        }
    }
}

/// Where a relay listens.
#[derive(Debug)]
struct Place {
    listener: OwnedFd,
    path: PathBuf,
    /// The socket's number, which says whether it is still this one.
    inode: u64,
    /// The directory may be gone with the socket.
    with_directory: bool,
}

impl Place {
    fn take(path: &Path) -> io::Result<Self> {
        let made = make_directory_of(path)?;
        let taken = match listen_at(path) {
            Err(Errno::ADDRINUSE) if is_dead(path) => {
                let _ = unlink(path);
                listen_at(path)
            }
            other => other,
        };
        let (listener, path, with_directory) = match taken {
            // Several sessions over one connection have the same agent, and each its own end.
            Err(Errno::ADDRINUSE) => {
                let mut beside = path.as_os_str().to_owned();
                beside.push(format!(".{}", getpid()));
                let beside = PathBuf::from(beside);
                (listen_at(&beside)?, beside, true)
            }
            other => (other?, path.to_owned(), made),
        };
        let inode = lstat(&path)?.st_ino;
        Ok(Self {
            listener,
            path,
            inode,
            with_directory,
        })
    }

    /// Serves until the session has ended.
    fn serve(&self, target: &OwnedFd, session: &OwnedFd) -> Result<(), Errno> {
        // Before that, a signal just ends it.
        block_all()?;
        let signals = signalfd()?;
        beside::settle(
            c"caddis-login",
            &[&self.listener, target, session, &signals].map(AsFd::as_fd),
        )?;
        let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", target.as_raw_fd()))?;
        let mut streams: Vec<Stream> = Vec::new();
        let mut exhausted = false;
        loop {
            let mut polled = vec![
                PollFd::new(session, PollFlags::IN),
                PollFd::new(&signals, PollFlags::IN),
            ];
            if streams.len() < MOST && !exhausted {
                polled.push(PollFd::new(&self.listener, PollFlags::IN));
            }
            streams
                .iter()
                .for_each(|stream| stream.wait_for(&mut polled));
            match poll(&mut polled, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            if !polled[0].revents().is_empty() || beside::told_to_end(&signals)? {
                return Ok(());
            }
            let before = streams.len();
            streams.retain_mut(Stream::go_on);
            exhausted &= streams.len() == before;
            while streams.len() < MOST && !exhausted {
                match self.accept(&address) {
                    Ok(stream) => streams.extend(stream),
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR | Errno::CONNABORTED) => {}
                    // No descriptors, or no memory. There will be when one of ours ends.
                    Err(_) if !streams.is_empty() => exhausted = true,
                    Err(errno) => return Err(errno),
                }
            }
        }
    }

    /// The next connection; none of it is left where the host's side takes no more.
    fn accept(&self, address: &SocketAddrUnix) -> Result<Option<Stream>, Errno> {
        let inner = accept_with(&self.listener, FLAGS)?;
        let outer = socket()?;
        Ok(connect(&outer, address)
            .is_ok()
            .then(|| Stream::new(inner, outer)))
    }

    /// Removes the socket, if it is still there, and the directory that was made for it.
    fn leave(&self) {
        if lstat(&self.path).is_ok_and(|there| there.st_ino == self.inode) {
            let _ = unlink(&self.path);
        }
        if self.with_directory
            && let Some(directory) = self.path.parent()
        {
            let _ = rmdir(directory);
        }
    }
}

fn socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
}

fn listen_at(path: &Path) -> Result<OwnedFd, Errno> {
    beside::listen_at(path, SocketType::STREAM)
}

/// Whether a socket is there that nobody listens at any more.
fn is_dead(path: &Path) -> bool {
    let tried = SocketAddrUnix::new(path).and_then(|address| connect(socket()?, &address));
    tried == Err(Errno::CONNREFUSED)
}

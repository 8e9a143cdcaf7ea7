//! A process beside the session, which serves it and ends with it: what all such processes have in common.
//!
//! It holds nothing of the session's (sshd waits for whoever has its pipes), and is a child of nobody in it, so that
//! neither the helper nor a shell is surprised by a child that it has not started.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use caddis_sys::{Caught, Forked, Namespaces, close_all_but, replace_arguments};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, chdir, setsid, umask, waitid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 64;

/// What sockets here are.
pub const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// Forks twice, so that process 1 is who waits for the end. `None` in the new process, whose id the other one gets.
pub fn fork() -> Result<Option<Pid>, Errno> {
    let (told, tell) = pipe_with(PipeFlags::CLOEXEC)?;
    match caddis_sys::fork(Namespaces::Same)? {
        Forked::Parent(_, between) => {
            drop(tell);
            // Where a parent has had SIGCHLD ignored there is no status; the pipe says it all.
            let _ = waitid(WaitId::PidFd(between.as_fd()), WaitIdOptions::EXITED);
            let mut number = [0; 4];
            match read(&told, &mut number)? {
                4 => Ok(Pid::from_raw(i32::from_ne_bytes(number))),
                _ => Err(Errno::AGAIN),
            }
        }
        Forked::Child => {
            let _ = setsid();
            match caddis_sys::fork(Namespaces::Same) {
                Ok(Forked::Child) => Ok(None),
                Ok(Forked::Parent(pid, _)) => {
                    let _ = write(&tell, &pid.as_raw_nonzero().get().to_ne_bytes());
                    std::process::exit(0)
                }
                Err(_) => std::process::exit(1),
            }
        }
    }
}

/// Lets go of everything but `kept`, in the new process, which never returns to who called [`fork`], and calls it `name`.
pub fn settle(name: &CStr, kept: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    // The owner of this one must not close somebody else's number.
    std::mem::forget(null);
    close_all_but(kept)?;
    // The session's end wakes it, and is not to wait for it.
    let _ = caddis_sys::never_preempt();
    chdir("/")?;
    // It has come from a fork, with the arguments of the session's first process: the user's command, which whoever looks
    // for that (`pkill -f`) must not find twice.
    let _ = rustix::thread::set_name(name);
    let _ = replace_arguments(name);
    Ok(())
}

/// What ends such a process as it would any other one.
const ENDING: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

/// Reads the signals that have come, which are blocked.
pub fn told_to_end(signals: &OwnedFd) -> Result<bool, Errno> {
    let mut end = false;
    while let Some(caught) = Caught::read(signals)? {
        end |= ENDING.map(Signal::as_raw).contains(&caught.signal);
    }
    Ok(end)
}

/// A socket that listens at `path`. Only the user may connect, whatever the directory's mode.
pub fn listen_at(path: &Path, kind: SocketType) -> Result<OwnedFd, Errno> {
    let listener = socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
    let before = umask(Mode::XUSR | Mode::RWXG | Mode::RWXO);
    let bound = SocketAddrUnix::new(path).and_then(|address| bind(&listener, &address));
    umask(before);
    bound?;
    listen(&listener, BACKLOG)?;
    Ok(listener)
}

//! Opens, with the user's rights, what a file server may answer for: a home directory, a network
//! file system, a path that the policy exposes. A server that does not answer, even the user's own,
//! keeps no process of root's waiting.
//!
//! What the kernel can look up by itself is opened at once. Otherwise a child opens it and sends
//! the descriptor. The child is the user's in every respect, so the user can end it. After a
//! timeout, the child is no longer waited for. It may hang in the kernel, where no signal ends it.
//! So it holds nothing of the process that started it: no lock, no end of a pipe.

use crate::credentials::{as_user, stay_closed};
use crate::error::{Context, Result};
use crate::handover::{Sender, channel};
use crate::identity::Identity;
use crate::init::leave_standard_files;
use crate::mountinfo::read_for;
use crate::seen::Attributes;
use crate::tree::Local;
use caddis_sys::{Forked, Namespaces, close_all_but, fork};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::{Gid, Signal, Uid, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// For how long all servers together are waited for.
const LONGEST: Duration = Duration::from_secs(10);

/// And each of them.
const EACH: Duration = Duration::from_secs(5);

/// Something to be opened, as an `O_PATH` descriptor. Links are followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) path: &'a Path,
    /// Nothing but a directory will do.
    pub(crate) directory: bool,
    /// Even what the kernel knows of it, it asks the server for.
    pub(crate) server: bool,
}

/// What was opened; `TIMEDOUT`: its server does not answer.
pub type Opened = std::result::Result<OwnedFd, Errno>;

/// Opens all that is `wanted`, each in its place.
pub(crate) fn open_all(identity: &Identity, wanted: &[Wanted<'_>]) -> Result<Vec<Opened>> {
    let at_once = |one: &Wanted<'_>| match one.server {
        true => Err(Errno::AGAIN),
        false => open(one, ResolveFlags::CACHED),
    };
    let mut opened: Vec<Opened> = as_user(identity, || Ok(wanted.iter().map(at_once).collect()))
        .doing("take the ids of", || format!("user {}", identity.uid))?;
    if opened.iter().any(|one| matches!(one, Err(Errno::AGAIN))) {
        // What is not there, the kernel knows of some file systems only: not of the one at `/run`.
        let local = Local::new(&read_for(identity.uid)?, &[]);
        let look = |(one, wanted): (&mut Opened, &Wanted<'_>)| {
            if matches!(one, Err(Errno::AGAIN)) && !wanted.server {
                *one = walk(&local, wanted);
            }
        };
        let walk_all = || {
            opened.iter_mut().zip(wanted).for_each(look);
            Ok(())
        };
        as_user(identity, walk_all)
            .doing("take the ids of", || format!("user {}", identity.uid))?;
    }
    let since = Instant::now();
    loop {
        let left: Vec<usize> = (0..wanted.len())
            .filter(|index| matches!(opened[*index], Err(Errno::AGAIN)))
            .collect();
        if left.is_empty() {
            return Ok(opened);
        }
        if since.elapsed() >= LONGEST {
            for index in left {
                opened[index] = Err(Errno::TIMEDOUT);
            }
            return Ok(opened);
        }
        ask(identity, wanted, &left, &mut opened, since)?;
    }
}

/// Opens a path on the kernel's own file systems. `AGAIN`: part of it is not there, or there is a
/// link on the way.
fn walk(local: &Local, wanted: &Wanted<'_>) -> Opened {
    let opened = match local.open(wanted.path, OFlags::PATH) {
        Err(Errno::XDEV | Errno::LOOP) => Err(Errno::AGAIN),
        other => other,
    }?;
    match Attributes::of(&opened)?.kind() {
        FileType::Symlink => Err(Errno::AGAIN),
        FileType::Directory => Ok(opened),
        _ if wanted.directory => Err(Errno::NOTDIR),
        _ => Ok(opened),
    }
}

/// Opens one thing.
pub(crate) fn open_one(identity: &Identity, wanted: Wanted<'_>) -> Result<Opened> {
    let opened = open_all(identity, &[wanted])?.pop();
    Ok(opened.unwrap_or(Err(Errno::NOENT)))
}

/// Opens a directory, where a file system is mounted for one.
pub fn open_directory(identity: &Identity, path: &Path) -> Result<Opened> {
    let wanted = Wanted {
        path,
        directory: true,
        server: false,
    };
    open_one(identity, wanted)
}

fn open(wanted: &Wanted<'_>, how: ResolveFlags) -> Opened {
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    flags.set(OFlags::DIRECTORY, wanted.directory);
    let how = how | ResolveFlags::NO_MAGICLINKS;
    openat2(CWD, wanted.path, flags, Mode::empty(), how)
}

/// Has a child open what is `left`, one after the other, until one does not come.
fn ask(
    identity: &Identity,
    wanted: &[Wanted<'_>],
    left: &[usize],
    opened: &mut [Opened],
    since: Instant,
) -> Result<()> {
    let (sender, receiver) = channel()?;
    let child = match fork(Namespaces::Same).doing("start", || "a process that asks a server")? {
        Forked::Child => {
            let ready = leave_standard_files().is_ok() && close_all_but(&[sender.as_fd()]).is_ok();
            for index in left.iter().filter(|_| ready) {
                tell(identity, &sender, &wanted[*index]);
            }
            // No destructor is to run: the descriptors are closed.
            std::process::exit(i32::from(!ready));
        }
        Forked::Parent(_, child) => child,
    };
    drop(sender);
    for index in left {
        let patience = EACH.min(LONGEST.saturating_sub(since.elapsed()));
        opened[*index] = receiver.receive(patience)?;
        // It hangs, or was killed: the others are for another one.
        if opened[*index].as_ref().err() == Some(&Errno::TIMEDOUT) {
            break;
        }
    }
    let _ = pidfd_send_signal(&child, Signal::KILL);
    // It may be where no signal reaches it.
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let _ = crate::ending::wait_for_end(&child, Some(Duration::from_millis(100)))?;
    let _ = waitid(WaitId::PidFd(child.as_fd()), ended);
    Ok(())
}

/// The child: becomes the user, and tells what has come of one.
fn tell(identity: &Identity, sender: &Sender, wanted: &Wanted<'_>) {
    let (uid, gid) = (
        Some(Uid::from_raw(identity.uid)),
        Some(Gid::from_raw(identity.gid)),
    );
    let become_user = || {
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        stay_closed()
    };
    let opened = become_user().and_then(|()| open(wanted, ResolveFlags::empty()));
    // What the parent will want to know of it is asked for here, where that may take its time.
    let opened = opened.and_then(|file| {
        rustix::fs::fstat(&file)?;
        Ok(file)
    });
    // Whatever a server answers, it has answered.
    let opened = opened.map_err(|errno| match errno {
        Errno::AGAIN | Errno::TIMEDOUT => Errno::IO,
        other => other,
    });
    sender.send(&opened);
}

/// The owner of what was opened, without a wait.
pub(crate) fn owner(file: &OwnedFd) -> std::result::Result<u32, Errno> {
    Ok(Attributes::of(file)?.uid)
}

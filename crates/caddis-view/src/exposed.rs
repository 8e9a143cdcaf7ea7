//! What the policy exposes, in an instance that runs: where the host has something else at an exposed path by now, a
//! session that joins sees to it that it is seen inside. logind makes `/run/user/UID` anew for each first login, a
//! service its socket at each start. What the host has no more stays as it is: who uses it inside may go on with it.
//!
//! The host's side is opened with the user's own rights, as at a start: what they cannot reach there is not shown here.
//! Container root can change every name on the way at any moment, but mount nothing in this mount namespace. So the
//! places are looked up and made as container root, without its capabilities over files and without links; what is made
//! and mounted on must be on the view's own file systems; and each step goes by the descriptor of the one before.

use crate::build::{cut_loose, pass_through};
use crate::credentials::{as_container_root, as_user};
use crate::ending::wait_for_end;
use crate::error::{Context, Error, Result, words, write_all};
use crate::identity::Identity;
use crate::init::leave_standard_files;
use crate::instance::Instance;
use crate::layers::attach;
use crate::patient::{Wanted, open_all};
use crate::place::{Missing, View};
use crate::refresh::Overlays;
use crate::start::read_all;
use caddis_sys::{Forked, Namespaces, close_all_but, fork, unshare};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags, fstat, openat,
    openat2, statx,
};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, fchdir, pidfd_send_signal, waitid};
use rustix::thread::{
    CapabilitySet, ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A server behind an exposed path may not answer.
const LONGEST: Duration = Duration::from_secs(10);

/// Exposes anew what has changed on the host. The instance is locked: nobody else does so at the same time. An error is
/// no reason not to let a session in.
pub fn renew(instance: &Instance, identity: &Identity, policy: &caddis_policy::View) -> Result<()> {
    let changed = changed(instance, identity, policy)?;
    if changed.is_empty() {
        return Ok(());
    }
    let Some(overlays) = Overlays::of(instance)? else {
        return Ok(());
    };
    // A child, for it joins another mount namespace; and one that a server keeps waiting can be given up.
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).doing("pipe", || "to a child")?;
    match fork(Namespaces::Same).doing("start", || "a process for exposed paths")? {
        Forked::Child => {
            let done = let_go(&[&writer, &instance.pidfd], &overlays)
                .and_then(|()| expose(instance, &overlays, identity, &changed));
            if let Err(error) = done {
                let _ = write_all(&writer, &error.to_bytes());
            }
            // No destructor is to run: descriptors with an owner are closed.
            std::process::exit(0);
        }
        Forked::Parent(_, child) => {
            drop(writer);
            let ended = wait_for_end(&child, Some(LONGEST))?;
            if !ended {
                let _ = pidfd_send_signal(&child, Signal::KILL);
            }
            let _ = waitid(
                WaitId::PidFd(child.as_fd()),
                WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
            );
            if !ended {
                // It may be where no signal reaches it: what it would say is not waited for.
                let reason = "something at an exposed path does not answer";
                return Err(Error::refused("expose", "what the host has anew", reason));
            }
        }
    }
    match read_all(&reader)? {
        said if said.is_empty() => Ok(()),
        said => Err(Error::from_bytes(&said)),
    }
}

const ANYWHERE: ResolveFlags = ResolveFlags::IN_ROOT
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// The paths at which the host has something that is not seen inside. An inode that is mounted somewhere is not freed, so
/// its numbers are nobody else's.
fn changed(
    instance: &Instance,
    identity: &Identity,
    policy: &caddis_policy::View,
) -> Result<Vec<PathBuf>> {
    let failed = || "the exposed paths";
    let paths: Vec<PathBuf> = policy.exposed(identity.uid).collect();
    let wanted: Vec<Wanted<'_>> = paths.iter().map(|path| wanted(path)).collect();
    let opened = open_all(identity, &wanted)?;
    let there = paths.iter().zip(opened).filter_map(|(path, opened)| {
        let number = number(opened.ok()?, Path::new(""))?;
        Some((path.clone(), number))
    });
    let there: Vec<(PathBuf, Number)> = there.collect();
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let root = format!("/proc/{}/root", instance.pid.as_raw_nonzero());
    let root = match openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        // It was the instance's if that still lives; else there is nothing to do.
        _ if instance.has_ended()? => return Ok(Vec::new()),
        other => other.doing("open", || "the environment's root")?,
    };
    let differs = |(path, outside): &(PathBuf, Number)| {
        let look = || {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            openat2(&root, path, flags, Mode::empty(), ANYWHERE)
        };
        let found = match look() {
            Err(Errno::ACCESS) => as_user(identity, look),
            other => other,
        };
        match found {
            Ok(inside) => number(&inside, Path::new("")) != Some(*outside),
            // Anything else is what the user has made of it.
            Err(errno) => errno == Errno::NOENT,
        }
    };
    let differing = as_container_root(identity, CapabilitySet::empty(), || {
        let all = there.into_iter().filter(differs);
        Ok(all.map(|(path, _)| path).collect())
    });
    differing.doing("look at", failed)
}

fn wanted(path: &Path) -> Wanted<'_> {
    Wanted {
        path,
        directory: false,
        server: false,
    }
}

/// What the kernel knows a file by.
type Number = (u32, u32, u64);

/// Without asking a server that may not answer.
fn look(directory: impl AsFd, path: &Path) -> std::result::Result<Statx, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    statx(directory, path, flags, StatxFlags::INO)
}

fn number(directory: impl AsFd, path: &Path) -> Option<Number> {
    let stat = look(directory, path).ok()?;
    Some((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
}

/// The child may hang in the kernel, where no signal ends it: so it holds no lock of the caller's
/// and none of its standard files.
fn let_go(kept: &[&OwnedFd], overlays: &Overlays) -> Result<()> {
    leave_standard_files()?;
    let overlays = overlays.environments.iter().chain(&overlays.guards);
    let kept = kept.iter().copied().chain(overlays).map(AsFd::as_fd);
    close_all_but(&kept.collect::<Vec<_>>()).doing("close", || "the helper's descriptors")
}

/// The child: takes what the host has, as a start does, and shows it inside.
fn expose(
    instance: &Instance,
    overlays: &Overlays,
    identity: &Identity,
    paths: &[PathBuf],
) -> Result<()> {
    // As for a start: what is mounted below later comes in, and nothing goes out.
    unshare(UnshareFlags::NEWNS).doing("unshare", || "the mount namespace")?;
    cut_loose()?;
    // Only now: open_tree(2) clones mounts of the caller's own mount namespace only.
    let wanted: Vec<Wanted<'_>> = paths.iter().map(|path| wanted(path)).collect();
    let sources = paths.iter().zip(open_all(identity, &wanted)?);
    let mounts: Vec<(PathBuf, OwnedFd)> = sources
        .filter_map(|(path, source)| Some((path.clone(), source.ok()?)))
        .map(|(path, source)| Ok((path, pass_through(source)?)))
        .collect::<Result<_>>()?;
    // By these, what is mounted can be named to umount(2) without a path of the user's.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let descriptors =
        openat(CWD, "/proc/self/fd", flags, Mode::empty()).doing("open", || "/proc/self/fd")?;
    move_into_thread_name_spaces(instance.pidfd.as_fd(), ThreadNameSpaceType::MOUNT)
        .doing("setns", || "the instance's mount namespace")?;
    let root = openat(CWD, "/", flags, Mode::empty()).doing("open", || "the environment's root")?;
    fchdir(&descriptors).doing("fchdir", || "/proc/self/fd")?;
    let mut view = View::new(&root, identity)?.without_links();
    for overlay in &overlays.environments {
        view.own(overlay)?;
    }
    let mut result = Ok(());
    View::places(identity, || {
        if let Ok(run) = view.find(Path::new("/run"))
            && is_memory(&run, identity)?
        {
            view.own(&run)?;
        }
        for (path, mount) in &mounts {
            if let Err(errno) = show(&view, mount, path) {
                let path = path.display();
                result = Err(Error::refused("expose", path, words(errno)));
            }
        }
        Ok(())
    })?;
    result
}

/// Whether it is of the instance's own memory, which is container root's; no other file system is, as a whole.
fn is_memory(run: &OwnedFd, identity: &Identity) -> Result<bool> {
    let stat = fstat(run).doing("stat", || "/run")?;
    let root = look(run, Path::new("")).doing("statx", || "/run")?;
    Ok(stat.st_uid == identity.host_uid(0)
        && root.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Mounts at `path`, in the place of what was exposed there before.
fn show(view: &View<'_>, mount: &OwnedFd, path: &Path) -> std::result::Result<(), Errno> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL);
    };
    match view.find(path) {
        // Nothing of the view's own is taken away, whatever name it has been given: it may cover something. What the
        // host's other mounts cover, the front covers as well.
        Ok(former) if is_mounted(&former)? && !view.has(&former)? => {
            unmount(former.as_raw_fd().to_string(), UnmountFlags::DETACH)?;
        }
        Err(Errno::NOENT) => {
            view.make(path, Missing::like(mount)?)?;
        }
        _ => {}
    }
    let above = view.find(above)?;
    if !view.has(&above)? {
        return Err(Errno::XDEV);
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let here = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let place = openat2(&above, name, flags, Mode::empty(), here)?;
    attach(mount, place)
}

fn is_mounted(file: &OwnedFd) -> std::result::Result<bool, Errno> {
    let stat = look(file, Path::new(""))?;
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

//! Other credentials, for one action.

use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use caddis_policy::IdRange;
use caddis_sys::{fs_ids, setfsgid, setfsuid};
use rustix::fs::{AtFlags, chownat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_res_uid,
};
use std::os::fd::AsFd;
use std::sync::OnceLock;

/// Runs `action` with the file-system credentials `uid` and `gid` and only the capabilities `kept`
/// in effect. Overlayfs remembers who created a superblock and checks every access to the layers
/// with those credentials, which makes this the moment that decides what an environment can read.
pub fn with_credentials<T>(
    uid: u32,
    gid: u32,
    kept: CapabilitySet,
    action: impl FnOnce() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    let before = capabilities(None)?;
    let change = CapabilitySet::SETUID | CapabilitySet::SETGID;
    let with = |effective| {
        set_capabilities(
            None,
            CapabilitySets {
                effective,
                ..before
            },
        )
    };
    if !before.effective.contains(change) {
        with(before.effective | change)?;
    }
    let (old_gid, old_uid) = (setfsgid(gid), setfsuid(uid));
    let result = if fs_ids() == (uid, gid) {
        with(kept & before.permitted).and_then(|()| action())
    } else {
        Err(Errno::PERM)
    };
    // Capabilities first: without CAP_SETGID the way back is closed.
    with(before.effective | change)?;
    setfsgid(old_gid);
    setfsuid(old_uid);
    if !before.effective.contains(change) {
        with(before.effective)?;
    }
    stay_closed()?;
    if fs_ids() == (old_uid, old_gid) {
        result
    } else {
        Err(Errno::PERM)
    }
}

/// Runs `action` with the user's own rights and no more.
pub fn as_user<T>(
    identity: &Identity,
    action: impl FnOnce() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    with_credentials(identity.uid, identity.gid, CapabilitySet::empty(), action)
}

/// Runs `action` as container root, with only the capabilities `kept` in effect: with none, it is nothing
/// that the user could not do inside.
pub fn as_container_root<T>(
    identity: &Identity,
    kept: CapabilitySet,
    action: impl FnOnce() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    with_credentials(identity.host_uid(0), identity.host_gid(0), kept, action)
}

/// The ids with which data of a user is written: container root's of the environment.
static WRITER: OnceLock<(u32, u32)> = OnceLock::new();

/// The ids of nobody, which write where no range is known.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// Makes this process, which acts for one user, write as the root of that user's environments: see
/// [`as_writer`].
pub fn write_as(range: &IdRange) {
    let _ = WRITER.set((range.uid_start, range.gid_start));
}

/// The capabilities that are needed to write into an environment's directory, and to give each file
/// owner, mode and attributes. Not `CAP_SYS_RESOURCE`, which overrides quotas and gets the blocks
/// that a file system reserves for root.
const WRITES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_ADMIN);

/// Runs `action`, which writes a user's data, without root's id for file-system access and without
/// `CAP_SYS_RESOURCE`: a file system gives the blocks that it reserves for root to a process that
/// has either. New files belong to container root until [`give_to_root`].
pub fn as_writer<T>(action: impl FnOnce() -> Result<T>) -> Result<T> {
    let (uid, gid) = *WRITER.get().unwrap_or(&NOBODY);
    let mut done = None;
    with_credentials(uid, gid, WRITES, || {
        done = Some(action());
        Ok(())
    })
    .doing("take", || "the ids to write with")?;
    done.unwrap_or_else(|| Err(Error::kernel("take", "the ids to write with", Errno::PERM)))
}

/// Gives `name` in `directory`, which was just made, to root.
pub fn give_to_root(directory: impl AsFd, name: impl Arg) -> std::result::Result<(), Errno> {
    let (root, group) = (Some(Uid::ROOT), Some(Gid::ROOT));
    chownat(directory, name, root, group, AtFlags::SYMLINK_NOFOLLOW)
}

/// Runs `action` with the real and the effective user id `uid` and `CAP_SYS_ADMIN`: whoever creates a user
/// namespace owns it, and root's real id would free it from `RLIMIT_NPROC`; see enforced_nproc_rlimit in the kernel.
pub(crate) fn with_uid<T>(
    uid: u32,
    action: impl FnOnce() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    let before = capabilities(None)?;
    set_uid(uid)?;
    let mut during = before;
    during.effective = CapabilitySet::SYS_ADMIN & before.permitted;
    let result = set_capabilities(None, during)
        .and_then(|()| stay_closed())
        .and_then(|()| action());
    set_uid(0)?;
    set_capabilities(None, before)?;
    stay_closed()?;
    result
}

/// The saved id stays root's: it is the way back.
fn set_uid(uid: u32) -> std::result::Result<(), Errno> {
    let uid = Some(Uid::from_raw(uid));
    set_thread_res_uid(uid, uid, None)
}

/// Keeps others from tracing this process and from opening its `/proc/PID`. To be said again after
/// each change of credentials, which sets what `fs.suid_dumpable` says; see commit_creds in the kernel.
pub(crate) fn stay_closed() -> std::result::Result<(), Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

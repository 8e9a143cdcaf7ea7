//! Other credentials, for one action.

use crate::identity::Identity;
use caddis_sys::{fs_ids, setfsgid, setfsuid};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Uid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_res_uid,
};

/// Runs `action` with the file-system credentials `uid` and `gid` and only the capabilities `kept`
/// in effect. Overlayfs remembers who created a superblock and checks every access to the layers
/// with those credentials, which makes this the moment that decides what an environment can read.
pub fn with_credentials<T>(
    uid: u32,
    gid: u32,
    kept: CapabilitySet,
    action: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Errno> {
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
    action: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Errno> {
    with_credentials(identity.uid, identity.gid, CapabilitySet::empty(), action)
}

/// Runs `action` as container root, with only the capabilities `kept` in effect: with none, it is nothing
/// that the user could not do inside.
pub fn as_container_root<T>(
    identity: &Identity,
    kept: CapabilitySet,
    action: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Errno> {
    with_credentials(identity.host_uid(0), identity.host_gid(0), kept, action)
}

/// Runs `action` with the real and the effective user id `uid` and `CAP_SYS_ADMIN`: whoever creates a user
/// namespace owns it, and root's real id would free it from `RLIMIT_NPROC`; see enforced_nproc_rlimit in the kernel.
pub(crate) fn with_uid<T>(uid: u32, action: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
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
fn set_uid(uid: u32) -> Result<(), Errno> {
    let uid = Some(Uid::from_raw(uid));
    set_thread_res_uid(uid, uid, None)
}

/// Keeps others from tracing this process and from opening its `/proc/PID`. To be said again after
/// each change of credentials, which sets what `fs.suid_dumpable` says; see commit_creds in the kernel.
pub(crate) fn stay_closed() -> Result<(), Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

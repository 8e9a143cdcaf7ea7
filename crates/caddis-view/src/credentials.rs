//! Other credentials, for one action.

use caddis_sys::{setfsgid, setfsuid};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Uid, getegid, geteuid, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities, set_thread_res_uid};

/// Runs `action` with the file-system credentials `uid` and `gid` and only the capabilities `kept`
/// in effect. Overlayfs remembers who created a superblock and checks every access to the layers
/// with those credentials, which makes this the moment that decides what an environment can read.
pub(crate) fn with_credentials<T>(
    uid: u32,
    gid: u32,
    kept: CapabilitySet,
    action: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let before = capabilities(None)?;
    let mut during = before;
    let restore = || {
        // Capabilities first: without CAP_SETGID the way back is closed.
        set_capabilities(None, before)?;
        let restored = setfsgid(getegid().as_raw()) & setfsuid(geteuid().as_raw());
        set_capabilities(None, before)?;
        stay_closed()?;
        if restored { Ok(()) } else { Err(Errno::PERM) }
    };
    if !(setfsgid(gid) & setfsuid(uid)) {
        restore()?;
        return Err(Errno::PERM);
    }
    during.effective = kept & before.permitted;
    let result = set_capabilities(None, during).and_then(|()| action());
    restore()?;
    result
}

/// Runs `action` with the effective user id `uid` and `CAP_SYS_ADMIN`: whoever creates a user
/// namespace owns it.
pub(crate) fn with_effective_uid<T>(
    uid: u32,
    action: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let before = capabilities(None)?;
    set_effective_uid(uid)?;
    let mut during = before;
    during.effective = CapabilitySet::SYS_ADMIN & before.permitted;
    let result = set_capabilities(None, during).and_then(|()| action());
    set_effective_uid(0)?;
    set_capabilities(None, before)?;
    stay_closed()?;
    result
}

/// The real and the saved id stay what they are; the saved one is the way back.
fn set_effective_uid(uid: u32) -> Result<(), Errno> {
    set_thread_res_uid(None, Some(Uid::from_raw(uid)), None)
}

/// Keeps others from tracing this process and from opening its `/proc/PID`. To be said again after
/// each change of credentials, which sets what `fs.suid_dumpable` says; see commit_creds in the kernel.
pub(crate) fn stay_closed() -> Result<(), Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

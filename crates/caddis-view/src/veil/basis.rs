//! What the veil depends on beyond the files themselves, kept with the time of the last look at the base: where any
//! of it is another now, everything has to be looked at again.

use super::changes::Time;
use super::scan::PLACES;
use super::write;
use crate::accounts::Accounts;
use crate::error::{Context, Result};
use crate::mountinfo::Mount;
use caddis_policy::Policy;
use rustix::fs::{Mode, OFlags, Timespec, Timestamps, fstat, futimens, openat};
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::OwnedFd;

/// The name of the file in the directory of the veils; its time is that of the last look.
const NAME: &str = "basis";

/// Kernels give inodes a time that is up to a tick old.
const TICK: i64 = 20_000_000;

/// The basis as text: other rules, other users and groups, another part of the tree.
pub(super) fn text(policy: &Policy, accounts: &Accounts, mounts: &[Mount]) -> String {
    let view = &policy.view;
    // Only those that are looked into: others come and go with sessions and containers.
    let mounts = mounts.iter().filter(|mount| {
        view.overlay_types.contains(&mount.fstype)
            && PLACES.iter().any(|place| mount.at.starts_with(place))
    });
    let mounts: Vec<_> = mounts.map(|mount| &mount.at).collect();
    format!(
        "caddis {}\nusers from {}\ngroups {:?}\nprivate {:?}\nmemory {:?}\ntypes {:?}\nmounts {mounts:?}\n",
        env!("CARGO_PKG_VERSION"),
        policy.access.min_uid,
        accounts.system_groups_with_ordinary_members(),
        view.private,
        view.memory,
        view.overlay_types,
    )
}

/// The time now, for [`remember`]: what changes from here on is seen by the next look.
pub(super) fn now() -> Time {
    let now = clock_gettime(ClockId::Realtime);
    match now.tv_nsec - TICK {
        nanoseconds @ 0.. => (now.tv_sec, nanoseconds),
        less => (now.tv_sec - 1, less + 1_000_000_000),
    }
}

/// When the base was looked at, if that was on the basis of `text`. Never, if it seems that it is yet to be: somebody
/// has set the clock.
pub(super) fn last_look(all: &OwnedFd, text: &str) -> Option<Time> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(all, NAME, flags, Mode::empty()).ok()?;
    let stat = fstat(&file).ok()?;
    let time = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).ok()?);
    let same = crate::start::read_all(&file).ok()? == text.as_bytes();
    (same && time <= now()).then_some(time)
}

/// Notes that everything that had changed until `time` has been looked at.
pub(super) fn remember(all: &OwnedFd, text: &str, time: Time) -> Result<()> {
    // What is half-written is no basis, so the next look is at everything.
    write::file(all, NAME, text.as_bytes(), 0o600)?;
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(all, NAME, flags, Mode::empty()).doing("open", || NAME)?;
    let time = Timespec {
        tv_sec: time.0,
        tv_nsec: time.1,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    futimens(&file, &times).doing("set the time of", || NAME)
}

//! The live base: makes running instances see what the administrator has changed on the host.
//!
//! Overlayfs caches names: what was looked up once, found or not, is not looked up again in the layers below. To
//! reconfigure a superblock drops its cached names that nobody uses (reconfigure_super in the kernel), without
//! any effect on what is open, mapped or mounted. The environment's overlay comes first, since its names hold
//! those of the guard below.

use crate::error::{Context, Error, Result};
use crate::instance::{Instance, Runtime};
use crate::store::{entries, root_directory, top_directory};
use caddis_policy::EnvName;
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags, fstatfs, fstatvfs, openat};
use rustix::io::Errno;
use rustix::mount::{FsPickFlags, fsconfig_reconfigure, fsconfig_set_flag, fspick};
use std::os::fd::OwnedFd;
use std::path::Path;

/// `OVERLAYFS_SUPER_MAGIC` in the kernel's `include/uapi/linux/magic.h`.
const OVERLAYFS: i64 = 0x794c_7630;

/// The overlays of a running instance.
#[derive(Debug, Default)]
pub struct Overlays {
    /// What the environment sees, writable.
    pub environments: Vec<OwnedFd>,
    /// The guards below them.
    pub guards: Vec<OwnedFd>,
}

impl Overlays {
    /// Those that process 1 of `instance` holds on to. They have no path: the guards are mounted nowhere any more.
    ///
    /// `None`: the instance has ended.
    pub fn of(instance: &Instance) -> Result<Option<Overlays>> {
        let directory = format!("/proc/{}/fd", instance.pid.as_raw_nonzero());
        let mut overlays = Overlays::default();
        let numbers = match std::fs::read_dir(&directory) {
            Ok(numbers) => numbers,
            Err(_) if instance.has_ended()? => return Ok(None),
            Err(error) => return Err(Error::refused("list", directory, error)),
        };
        let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        // In their order, an environment's overlay is followed by the guard below it.
        let mut numbers: Vec<u32> = numbers.flatten().filter_map(number).collect();
        numbers.sort_unstable();
        for number in numbers {
            let path = format!("{directory}/{number}");
            // Follows the link of the kernel's, which leads to the very mount.
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let Ok(held) = openat(CWD, path.as_str(), flags, Mode::empty()) else {
                continue;
            };
            let fstype = fstatfs(&held).doing("statfs", || &path)?;
            if fstype.f_type != OVERLAYFS {
                continue;
            }
            let mount = fstatvfs(&held).doing("statvfs", || &path)?;
            if mount.f_flag.contains(StatVfsMountFlags::RDONLY) {
                overlays.guards.push(held);
            } else {
                overlays.environments.push(held);
            }
        }
        // The process of that number may have been another one meanwhile.
        Ok((!instance.has_ended()?).then_some(overlays))
    }

    /// Drops the names that nobody uses, so that they are looked up again.
    pub fn refresh(&self) -> Result<()> {
        for _ in 0..ROUNDS {
            let environments = self.environments.iter().map(|overlay| (overlay, false));
            let guards = self.guards.iter().map(|guard| (guard, true));
            let all: std::result::Result<Vec<_>, Errno> = environments
                .chain(guards)
                .map(|(overlay, read_only)| prepare(overlay, read_only))
                .collect();
            // With as little between them as can be.
            all.and_then(|all| all.iter().try_for_each(fsconfig_reconfigure))
                .doing("reconfigure", || "an overlay of the environment")?;
        }
        Ok(())
    }
}

/// Somebody inside who looks up a name just after the environment's overlay has dropped it, and before the guard has,
/// brings the guard's old answer back, and holds it. A further round drops that.
const ROUNDS: usize = 2;

/// Prepares what `mount -o remount` without any option does.
fn prepare(overlay: &OwnedFd, read_only: bool) -> std::result::Result<OwnedFd, Errno> {
    let flags = FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH;
    let context = fspick(overlay, "", flags)?;
    if read_only {
        // Without it the kernel takes this for a request to make it writable, and refuses.
        fsconfig_set_flag(&context, "ro")?;
    }
    Ok(context)
}

/// The environments that have, or had, an instance on this host, by their users' ids.
pub fn instances(run: &Path) -> Result<Vec<(u32, EnvName)>> {
    let mut found = Vec::new();
    for uid in users_with_instances(run)? {
        found.extend(instances_of(run, uid)?);
    }
    found.sort_by(|a, b| (a.0, a.1.as_str()).cmp(&(b.0, b.1.as_str())));
    Ok(found)
}

/// The users that have, or had, an instance on this host.
pub fn users_with_instances(run: &Path) -> Result<Vec<u32>> {
    let names = entries(&top_directory(run)?)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Those of one user.
pub fn instances_of(run: &Path, uid: u32) -> Result<Vec<(u32, EnvName)>> {
    let directory = match root_directory(top_directory(run)?, &uid.to_string(), false) {
        Err(error) if error.errno == Some(Errno::NOENT) => return Ok(Vec::new()),
        other => other?,
    };
    let names = match entries(&directory) {
        // Somebody has just removed it: nothing ran any more.
        Err(error) if error.errno == Some(Errno::NOENT) => return Ok(Vec::new()),
        other => other?,
    };
    let names = names
        .iter()
        .filter_map(|name| EnvName::parse(name.as_bytes()).ok());
    Ok(names.map(|name| (uid, name)).collect())
}

/// Refreshes the instance of an environment. `false`: it has none.
///
/// Takes no lock: an instance that is just being built has cached no name of an overlay that process 1 does not
/// hold yet.
pub fn refresh(run: &Path, uid: u32, name: &EnvName) -> Result<bool> {
    let Some(instance) = Runtime::peek(run, uid, name)? else {
        return Ok(false);
    };
    let Some(overlays) = Overlays::of(&instance)? else {
        return Ok(false);
    };
    match overlays.refresh() {
        Err(_) if instance.has_ended()? => return Ok(false),
        other => other?,
    }
    // What a process holds is left: the next session looks for it.
    Runtime::note_refresh(run, uid, name)?;
    Ok(true)
}

//! `/dev`: the devices that the policy allows.

use crate::build::{Builder, HARMLESS};
use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::layers::clone_mount;
use crate::memory::Memory;
use crate::place::Missing;
use caddis_policy::Devices;
use caddis_sys::MountAttr;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, makedev, mknodat, openat, statat, symlinkat,
};
use rustix::mount::MountAttrFlags;
use std::path::Path;

/// The devices of no hardware, the same on every Linux: made, not mounted, which is quicker.
const PLAIN: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Makes the part of the memory that will be `/dev`, as root, who alone may. Every node keeps the host's
/// owner and mode, so the kernel goes on deciding who may open it; container root gets the directory and
/// none of the nodes.
pub(crate) fn make_nodes(memory: &Memory, devices: &Devices, identity: &Identity) -> Result<()> {
    memory.directory("dev", 0o755)?;
    memory.directory("dev/pts", 0o755)?;
    for (name, major, minor) in PLAIN {
        if devices.allows(name) {
            node(memory, name, major, minor)?;
        }
    }
    // Opening it finds the terminals at `pts` beside it, whatever mode the host's `pts/ptmx` has.
    node(memory, "ptmx", 5, 2)?;
    memory.give_to("dev", identity.host_uid(0), identity.host_gid(0))
}

/// Shows `/dev`, with what the host has beyond those nodes.
pub(crate) fn build(builder: &Builder<'_>) -> Result<()> {
    builder.memory.directory("dev/shm", 0o1777)?;
    for (name, target) in LINKS {
        symlinkat(target, builder.memory.mount(), format!("dev/{name}"))
            .doing("create", || name)?;
    }
    let mount = builder
        .memory
        .part("dev", MountAttrFlags::MOUNT_ATTR_NOSUID)?;
    builder
        .view
        .show(&mount, Path::new("/dev"), Missing::Insist)?;
    show_host(builder, "pts", Missing::Create)?;

    for name in allowed_on_host(&builder.materials.policy.devices)? {
        let Ok(stat) = statat(CWD, format!("/dev/{name}"), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => show_host(builder, &name, Missing::Create)?,
            // Mounted, so that a mode or ACL that the host changes (at a login, say) counts here too.
            FileType::CharacterDevice | FileType::BlockDevice => {
                show_host(builder, &name, Missing::CreateFile)?
            }
            _ => {}
        }
    }
    Ok(())
}

/// The host's names that the policy allows, without those that are there already: first the top
/// ones, then those in directories that are not allowed as a whole (`net/tun`).
fn allowed_on_host(devices: &Devices) -> Result<Vec<String>> {
    let made = |name: &str| {
        ["pts", "shm", "ptmx"].contains(&name) || PLAIN.iter().any(|(plain, ..)| *plain == name)
    };
    let mut allowed = Vec::new();
    for name in list("/dev")?.into_iter().filter(|name| !made(name)) {
        if devices.allows(&name) {
            allowed.push(name);
            continue;
        }
        let below = devices
            .allow
            .iter()
            .filter_map(|pattern| pattern.split_once('/'));
        if below.into_iter().any(|(directory, _)| directory == name) {
            let inner = list(&format!("/dev/{name}"))?.into_iter();
            let paths = inner.map(|inner| format!("{name}/{inner}"));
            allowed.extend(paths.filter(|path| devices.allows(path)));
        }
    }
    allowed.sort();
    Ok(allowed)
}

fn list(path: &str) -> Result<Vec<String>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty()).doing("open", || path)?;
    crate::store::entries(directory)
}

fn node(memory: &Memory, name: &str, major: u32, minor: u32) -> Result<()> {
    let path = format!("dev/{name}");
    let host = statat(CWD, format!("/dev/{name}"), AtFlags::SYMLINK_NOFOLLOW).ok();
    let (uid, gid, mode) = host.map_or((0, 0, 0o666), |stat| {
        (stat.st_uid, stat.st_gid, stat.st_mode & 0o777)
    });
    let (kind, mode) = (FileType::CharacterDevice, Mode::from_raw_mode(mode));
    mknodat(memory.mount(), &path, kind, mode, makedev(major, minor)).doing("mknod", || &path)?;
    memory.give_to(&path, uid, gid)
}

fn show_host(builder: &Builder<'_>, name: &str, missing: Missing) -> Result<()> {
    let path = format!("/dev/{name}");
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = openat(CWD, &path, flags, Mode::empty()).doing("open", || &path)?;
    let flags = HARMLESS.difference(MountAttrFlags::MOUNT_ATTR_NODEV);
    let mount = clone_mount(&source, true, &MountAttr::new(flags).recursive())?;
    builder.view.show(&mount, Path::new(&path), missing)
}

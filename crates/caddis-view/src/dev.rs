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
    AtFlags, CWD, FileType, Mode, OFlags, fstat, makedev, mknodat, openat, statat, symlinkat,
};
use rustix::mount::MountAttrFlags;
use std::os::fd::OwnedFd;
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

/// A device or a directory of devices of the host's, as the user could open it there.
pub(crate) struct Source {
    name: String,
    directory: bool,
    fd: OwnedFd,
}

/// Opens what the policy allows beyond those nodes. Called with the user's own rights: what lies in a directory
/// that the user cannot pass on the host stays out of reach.
pub(crate) fn open_sources(devices: &Devices) -> Vec<Source> {
    let names = std::iter::once("pts".to_owned()).chain(allowed_on_host(devices));
    let open = |name: String| {
        let path = format!("/dev/{name}");
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(CWD, &path, flags, Mode::empty()).ok()?;
        let directory = match FileType::from_raw_mode(fstat(&fd).ok()?.st_mode) {
            FileType::Directory => true,
            FileType::CharacterDevice | FileType::BlockDevice => false,
            _ => return None,
        };
        Some(Source {
            name,
            directory,
            fd,
        })
    };
    names.filter_map(open).collect()
}

/// Shows `/dev`, with the host's devices mounted into it: so a mode or ACL that the host changes (at a login,
/// say) counts here too.
pub(crate) fn build(builder: &Builder<'_>, sources: &[Source]) -> Result<()> {
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
    let flags = HARMLESS.difference(MountAttrFlags::MOUNT_ATTR_NODEV);
    for source in sources {
        let mount = clone_mount(&source.fd, true, &MountAttr::new(flags).recursive())?;
        let missing = if source.directory {
            Missing::Create
        } else {
            Missing::CreateFile
        };
        let path = format!("/dev/{}", source.name);
        builder.view.show(&mount, Path::new(&path), missing)?;
    }
    Ok(())
}

/// The host's names that the policy allows, without those that are there already: first the top
/// ones, then those in directories that are not allowed as a whole (`net/tun`).
fn allowed_on_host(devices: &Devices) -> Vec<String> {
    let made = |name: &str| {
        ["pts", "shm", "ptmx"].contains(&name) || PLAIN.iter().any(|(plain, ..)| *plain == name)
    };
    let mut allowed = Vec::new();
    for name in list("/dev").into_iter().filter(|name| !made(name)) {
        if devices.allows(&name) {
            allowed.push(name);
            continue;
        }
        let below = devices
            .allow
            .iter()
            .filter_map(|pattern| pattern.split_once('/'));
        if below.into_iter().any(|(directory, _)| directory == name) {
            let inner = list(&format!("/dev/{name}")).into_iter();
            let paths = inner.map(|inner| format!("{name}/{inner}"));
            allowed.extend(paths.filter(|path| devices.allows(path)));
        }
    }
    allowed.sort();
    allowed
}

/// The entries of a directory; of one that cannot be read, none.
fn list(path: &str) -> Vec<String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty()).doing("open", || path);
    directory
        .and_then(crate::store::entries)
        .unwrap_or_default()
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

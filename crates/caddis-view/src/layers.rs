//! The layers of a view: id-mapped clones, the guard, the environment's overlay.

use crate::credentials::{as_container_root, with_credentials};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use caddis_sys::{MountAttr, mount_setattr};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use rustix::thread::{CapabilitySet, capabilities};
use std::os::fd::{AsFd, OwnedFd};

/// A copy of one mount of the host (not of what is mounted inside it), detached, with `attr`.
pub fn clone_mount(source: impl AsFd, recursive: bool, attr: &MountAttr<'_>) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let clone = open_tree(source, "", flags).doing("open_tree", || "a mount of the host")?;
    mount_setattr(&clone, attr).doing("mount_setattr", || "a clone of a mount of the host")?;
    Ok(clone)
}

/// Mounts the detached `mount` on the directory or file `at`.
pub fn attach(mount: impl AsFd, at: impl AsFd) -> std::result::Result<(), Errno> {
    move_mount(
        mount,
        "",
        at,
        "",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
    )
}

/// A new file system, detached. `options` are its parameters in their order; one without a value is a flag.
pub fn new_filesystem(
    fstype: &str,
    options: &[(&str, &str)],
    flags: MountAttrFlags,
    creator: impl FnOnce(
        &mut dyn FnMut() -> std::result::Result<(), Errno>,
    ) -> std::result::Result<(), Errno>,
) -> Result<OwnedFd> {
    let context = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)
        .doing("fsopen", || fstype)
        .map_err(|error| error.hint(format!("does this kernel have the file system {fstype}?")))?;
    let failed = |operation: &str, errno: Errno| {
        let described: Vec<String> = options
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let mut error = Error::kernel(
            operation,
            format!("{fstype} ({})", described.join(",")),
            errno,
        );
        if let Some(said) = kernel_messages(&context) {
            error.reason = format!("{} [{said}]", error.reason);
        }
        error
    };
    for (key, value) in options {
        match *value {
            "" => fsconfig_set_flag(&context, *key),
            value => fsconfig_set_string(&context, *key, value),
        }
        .map_err(|errno| failed(&format!("set {key} of"), errno))?;
    }
    creator(&mut || fsconfig_create(&context)).map_err(|errno| failed("create", errno))?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
        .map_err(|errno| failed("fsmount", errno))
}

/// What the kernel said about a file system context: lines like "e overlay: …".
fn kernel_messages(context: &OwnedFd) -> Option<String> {
    let mut messages = Vec::new();
    let mut buffer = [0_u8; 1024];
    while let Ok(length) = rustix::io::read(context, &mut buffer) {
        let line = String::from_utf8_lossy(&buffer[..length]);
        messages.push(
            line.trim()
                .trim_start_matches(['e', 'w', 'i'])
                .trim()
                .to_owned(),
        );
        if length == 0 || messages.len() == 8 {
            break;
        }
    }
    (!messages.is_empty()).then(|| messages.join("; "))
}

/// The guard: a read-only overlay over the base, created with the user's credentials, so that the
/// kernel lets nothing through that the user could not read on the host, today's files and
/// tomorrow's. Of root's capabilities the creator keeps `CAP_SYS_ADMIN`, which reads overlayfs'
/// own attributes and opens no file.
///
/// `lower` and `empty` are paths relative to the working directory.
pub fn guard(identity: &Identity, empty: &str, lower: &str) -> Result<OwnedFd> {
    let options = [
        ("source", "caddis-guard"),
        ("lowerdir+", empty),
        ("lowerdir+", lower),
    ];
    let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_RDONLY;
    new_filesystem("overlay", &options, flags, |create| {
        with_credentials(identity.uid, identity.gid, CapabilitySet::SYS_ADMIN, create)
    })
    .map_err(|error| {
        error.hint(
            "the base must be a local file system that can be id-mapped and stacked (ext4, xfs, \
             btrfs): not an overlay, not NFS",
        )
    })
}

/// What an environment would be without its changes: its layers below, read-only. Its creator is the
/// environment's, so that both show the same.
pub fn without_changes(identity: &Identity, lowers: &[String]) -> Result<OwnedFd> {
    let mut options = vec![("source", "caddis-below")];
    options.extend(lowers.iter().map(|lower| ("lowerdir+", lower.as_str())));
    let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_RDONLY;
    new_filesystem("overlay", &options, flags, |create| {
        as_creator(identity, create)
    })
}

/// Container root creates an overlay of the environment, with all capabilities of this process but
/// `CAP_SYS_RESOURCE`: the kernel copies up and writes for everybody inside with the creator's
/// rights, and that capability gets blocks that are reserved for root, past every quota.
fn as_creator<T>(
    identity: &Identity,
    action: impl FnOnce() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    let all = capabilities(None)?.permitted;
    as_container_root(identity, all - CapabilitySet::SYS_RESOURCE, action)
}

/// The environment's overlay. Its creator has container root's host id, because the kernel falls
/// back to a read-only overlay where the creator cannot own files in the upper layer.
pub fn environment(
    identity: &Identity,
    lowers: &[String],
    upper: &str,
    work: &str,
    flags: MountAttrFlags,
) -> Result<OwnedFd> {
    let mut options = vec![("source", "caddis")];
    options.extend(lowers.iter().map(|lower| ("lowerdir+", lower.as_str())));
    options.extend([
        ("upperdir", upper),
        ("workdir", work),
        ("redirect_dir", "on"),
        // One device number for all files, copied up or not, or `du -x` and `tar --one-file-system`
        // pass over most of them.
        ("xino", "on"),
        // So that the kernel refuses a second overlay on the same changes (EBUSY) for as long as anybody
        // holds a file of the first one. An index is not made: the guard has no file handles.
        ("index", "on"),
        // Whatever the kernel was built with.
        ("metacopy", "off"),
    ]);
    new_filesystem(
        "overlay",
        &options,
        MountAttrFlags::MOUNT_ATTR_NODEV | flags,
        |create| as_creator(identity, create),
    )
    .map_err(|error| {
        error.hint(
            "the directory of the environments must lie on a local file system (ext4, xfs, btrfs, \
             tmpfs) with room left; see `storage.state` in the policy",
        )
    })
}

/// Refuses a layer that an overlay changes (EBUSY), which is there for as long as anybody holds one of its files. The
/// kernel only warns of that in its log where the layer is a lower one and another lower one has no file handles.
///
/// It is asked by a request that cannot be met: it looks whether the upper layer is free before it finds that the work
/// directory is the same one. A mount that is made would be synced when it goes.
pub fn refuse_if_in_use(identity: &Identity, layer: &str) -> Result<()> {
    match environment(
        identity,
        &["empty".to_owned()],
        layer,
        layer,
        MountAttrFlags::empty(),
    ) {
        Err(error) if error.errno == Some(Errno::BUSY) => Err(error),
        _ => Ok(()),
    }
}

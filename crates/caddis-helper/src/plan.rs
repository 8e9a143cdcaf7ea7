//! The plan of a view, from what this host is like.

use crate::policy_paths::resolved;
use caddis_policy::{Policy, View};
use caddis_view::credentials::as_user;
use caddis_view::error::{Context, words};
use caddis_view::mountinfo::{self, Mount};
use caddis_view::tree::Local;
use caddis_view::{Error, Identity, Plan, Wish, cgroup, home};
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The plan of the view for this host, user and policy, and what is to be said about it. Not said
/// here: the instance is locked, and the caller may leave standard error full.
pub(crate) fn plan(
    policy: &Policy,
    identity: &Identity,
    home: Option<&Path>,
) -> Result<(Plan, Vec<String>), Error> {
    let (mut mounts, local) = host(policy, identity)?;
    for mount in &mut mounts {
        // One that cannot be reached without asking a server is looked at when it is opened.
        let file = local.open(&mount.at, OFlags::PATH);
        mount.directory = file.is_ok_and(|file| is_directory(&file))
            || local.root(&mount.at).err() == Some(Errno::XDEV);
    }
    refuse_root_that_cannot_be_stacked(&mounts)?;
    let mut warnings = Vec::new();
    let home = home.and_then(|path| match home::resolve(identity, path) {
        Ok(home) => Some(home),
        Err(errno) => {
            let why = match errno {
                Errno::PERM => "it belongs to somebody else, or to the kernel".to_owned(),
                Errno::TIMEDOUT => "its file server does not answer".to_owned(),
                other => words(other),
            };
            let path = path.display();
            warnings.push(format!(
                "cannot use the home directory {path}: {why}; going on without it"
            ));
            None
        }
    });
    let view = resolved(&policy.view, &local, identity)?;
    let modes = as_user(identity, || Ok(modes(&view, &local)));
    let plan = Plan::new(
        &view,
        &mounts,
        &Wish {
            uid: identity.uid,
            home,
            cgroups: cgroup::read(),
            modes: modes.doing("take the ids of", || identity.uid)?,
        },
    );
    for path in &plan.left_out {
        let path = path.display();
        warnings.push(format!(
            "leave out the file system at {path}: its path is too long for a layer of changes"
        ));
    }
    Ok((plan, warnings))
}

/// The mounts of the host that concern the user, and a way to what is on those of the kernel's own.
pub(crate) fn host(policy: &Policy, identity: &Identity) -> Result<(Vec<Mount>, Local), Error> {
    let mounts = mountinfo::read_for(identity.uid)?;
    let local = Local::new(&mounts, &policy.view.overlay_types);
    Ok((mounts, local))
}

/// What the user sees at the places that are in memory or hidden.
fn modes(view: &View, local: &Local) -> BTreeMap<PathBuf, u32> {
    let places = view.memory.iter().chain(&view.private).chain(&view.hidden);
    let mode = |path: &PathBuf| {
        let stat = fstat(local.open(path, OFlags::PATH).ok()?).ok()?;
        Some((path.clone(), stat.st_mode))
    };
    places.filter_map(mode).collect()
}

fn is_directory(file: &std::os::fd::OwnedFd) -> bool {
    fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn refuse_root_that_cannot_be_stacked(mounts: &[Mount]) -> Result<(), Error> {
    let fstype = mounts
        .iter()
        .find(|mount| mount.at == Path::new("/"))
        .map_or("nothing", |mount| mount.fstype.as_str());
    let unfit = [
        "overlay", "nfs", "nfs4", "9p", "lustre", "cifs", "aufs", "rootfs", "nothing",
    ];
    if !unfit.contains(&fstype) && !fstype.starts_with("fuse") {
        return Ok(());
    }
    let reason = format!("it is {fstype}, which the kernel can neither id-map nor stack further");
    Err(Error::refused("show", "the file system of /", reason)
        .hint("Caddis needs a local file system as the base: ext4, xfs or btrfs"))
}

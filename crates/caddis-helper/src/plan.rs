//! The plan of a view, from what this host is like.

use crate::policy_paths::resolved;
use caddis_policy::Policy;
use caddis_view::error::words;
use caddis_view::mountinfo::{self, Mount};
use caddis_view::{Error, Identity, Plan, Wish, cgroup, home};
use rustix::io::Errno;
use std::fs;
use std::path::Path;

/// The plan of the view for this host, user and policy, and what is to be said about the home directory. Not said
/// here: the instance is locked, and the caller may leave standard error full.
pub(crate) fn plan(
    policy: &Policy,
    identity: &Identity,
    home: Option<&Path>,
) -> Result<(Plan, Option<String>), Error> {
    let mut mounts = mountinfo::read(mountinfo::OWN)?;
    for mount in &mut mounts {
        mount.directory = !policy.view.overlay_types.contains(&mount.fstype)
            || fs::symlink_metadata(&mount.at).is_ok_and(|metadata| metadata.is_dir());
    }
    refuse_root_that_cannot_be_stacked(&mounts)?;
    let (home, warning) = match home {
        None => (None, None),
        Some(path) => match home::resolve(identity, path) {
            Ok(home) => (Some(home), None),
            Err(errno) => {
                let why = match errno {
                    Errno::PERM => "it belongs to somebody else, or to the kernel".to_owned(),
                    other => words(other),
                };
                let path = path.display();
                let warning =
                    format!("cannot use the home directory {path}: {why}; going on without it");
                (None, Some(warning))
            }
        },
    };
    let plan = Plan::new(
        &resolved(&policy.view)?,
        &mounts,
        &Wish {
            uid: identity.uid,
            home,
            cgroups: cgroup::read(),
        },
    );
    Ok((plan, warning))
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

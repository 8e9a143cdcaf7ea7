//! What is seen of `/sys`: the kernel's own part, and what the host has mounted below it, except for what tells who
//! else is there.

use super::Step;
use crate::cgroup::{Membership, options};
use crate::mountinfo::Mount;
use std::path::Path;

/// The steps of `/sys`. `own`: the cgroups of whoever starts the instance.
pub(super) fn steps(mounts: &[Mount], own: &[Membership]) -> Vec<Step> {
    let sys = Path::new("/sys");
    let mut below: Vec<&Mount> = mounts
        .iter()
        .filter(|mount| mount.at != sys && mount.at.starts_with(sys))
        .collect();
    below.sort_by_key(|mount| mount.at.components().count());
    let step = |mount: &Mount| match mount.fstype.as_str() {
        fstype @ ("cgroup" | "cgroup2") => Some(Step::Cgroup {
            at: mount.at.clone(),
            fstype: fstype.to_owned(),
            options: options(own, fstype, &mount.options)?,
        }),
        // It has a directory for each mount of a user's program, with the user as its owner.
        "fusectl" => None,
        _ => Some(Step::Pass {
            at: mount.at.clone(),
            read_only: true,
        }),
    };
    let below = below.into_iter().filter_map(step);
    std::iter::once(Step::Sys).chain(below).collect()
}

//! What is seen of `/sys`: the kernel's own part, and what the host has mounted below it, except for what tells who
//! else is there.

use super::Step;
use crate::cgroup::{Membership, options};
use crate::mountinfo::Mount;
use std::path::{Path, PathBuf};

fn hidden(at: PathBuf) -> Step {
    Step::Hide { at, mode: None }
}

/// The steps of `/sys`. `own`: the cgroups of whoever starts the instance.
pub(super) fn steps(mounts: &[Mount], own: &[Membership]) -> Vec<Step> {
    let sys = Path::new("/sys");
    let mut below: Vec<&Mount> = mounts
        .iter()
        .filter(|mount| mount.at != sys && mount.at.starts_with(sys) && !mount.covered)
        .collect();
    below.sort_by_key(|mount| mount.at.components().count());
    let step = |mount: &Mount| {
        let at = mount.at.clone();
        match mount.fstype.as_str() {
            fstype @ ("cgroup" | "cgroup2") => match options(own, fstype, &mount.options) {
                Some(options) => Step::Cgroup {
                    at,
                    fstype: fstype.to_owned(),
                    options,
                },
                None => hidden(at),
            },
            // It has a directory for each mount of a user's program, with the user as its owner.
            "fusectl" => hidden(at),
            _ => Step::Pass {
                at,
                read_only: true,
                server: false,
            },
        }
    };
    std::iter::once(Step::Sys)
        .chain(below.into_iter().map(step))
        .collect()
}

//! runc and crun, called by root with a small bundle: the settings that `runc spec` writes, with the host's network
//! as the others have it, and without a control group, which the host has none of. Both leave out work for that.

use super::tree::BUNDLE;

/// crun's command.
pub fn crun(name: &str) -> Vec<&str> {
    vec![
        "/usr/bin/crun",
        "--cgroup-manager=disabled",
        "run",
        "--bundle",
        BUNDLE,
        name,
    ]
}

/// runc's command; `--rootless` is how it is told that it cannot have a control group.
pub fn runc(name: &str) -> Vec<&str> {
    vec![
        "/usr/sbin/runc",
        "--rootless=true",
        "run",
        "--bundle",
        BUNDLE,
        name,
    ]
}

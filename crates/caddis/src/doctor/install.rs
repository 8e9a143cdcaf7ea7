//! Is the helper installed as it must be?

use std::path::Path;

use rustix::fs::StatVfsMountFlags;

use super::{fail, ok};
use crate::error::reason_of;
use crate::helper::Check;
use crate::helper::call::helper_path;
use crate::program_file::{RunAs, wrong};

const TOPIC: &str = "helper";

/// Present, root's, setuid, and where setuid counts.
pub fn helper() -> Check {
    let path = helper_path();
    let shown = path.display();
    let metadata = match std::fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) => {
            return fail(
                TOPIC,
                format!("{shown}: {}", reason_of(&error)),
                "install Caddis again",
            );
        }
    };
    if let Some((what, hint)) = wrong(&metadata, RunAs::Root) {
        return fail(TOPIC, format!("{shown} {what}"), format!("{hint} {shown}"));
    }
    if is_nosuid(&path) {
        let hint = "install it on a file system that is not mounted nosuid";
        return fail(
            TOPIC,
            format!("{shown}: its setuid bit does not count there"),
            hint,
        );
    }
    ok(TOPIC, format!("{shown} is in place"))
}

fn is_nosuid(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|file_system| file_system.f_flag.contains(StatVfsMountFlags::NOSUID))
}

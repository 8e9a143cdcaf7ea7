//! Is the helper installed as it must be?

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;

use super::{fail, ok};
use crate::error::reason_of;
use crate::helper::Check;
use crate::helper::call::helper_path;

const TOPIC: &str = "helper";
const SETUID: u32 = 0o4000;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const EXECUTABLE_BY_ALL: u32 = 0o111;

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
    if let Some((what, hint)) = wrong(&metadata) {
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

/// What is wrong with the file, and the command that puts it right.
fn wrong(metadata: &Metadata) -> Option<(&'static str, &'static str)> {
    let mode = metadata.mode();
    if !metadata.is_file() {
        Some((
            "is not a regular file",
            "install Caddis again; it must be a program:",
        ))
    } else if metadata.uid() != 0 {
        Some(("does not belong to root", "chown root:root"))
    } else if mode & WRITABLE_BY_OTHERS != 0 {
        Some(("can be changed by others than root", "chmod 4755"))
    } else if mode & SETUID == 0 || mode & EXECUTABLE_BY_ALL != EXECUTABLE_BY_ALL {
        Some(("cannot be run as root by everybody", "chmod 4755"))
    } else {
        None
    }
}

fn is_nosuid(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|file_system| file_system.f_flag.contains(StatVfsMountFlags::NOSUID))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_will_not_do() {
        let here = std::fs::symlink_metadata("/").unwrap();
        assert!(wrong(&here).is_some());
        let file = std::fs::symlink_metadata("/etc/passwd").unwrap();
        assert_eq!(wrong(&file).unwrap().1, "chmod 4755");
    }
}

//! Is the file of a program of ours as `make install` has put it there?

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

const SETUID: u32 = 0o4000;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const EXECUTABLE_BY_ALL: u32 = 0o111;

/// How everybody is to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// As themselves.
    Caller,
    /// As root: it is setuid.
    Root,
}

/// What is wrong with the file, and the command that puts it right.
pub fn wrong(metadata: &Metadata, as_whom: RunAs) -> Option<(&'static str, &'static str)> {
    let (needed, cannot, chmod) = match as_whom {
        RunAs::Caller => (EXECUTABLE_BY_ALL, "cannot be run by everybody", "chmod 755"),
        RunAs::Root => (
            SETUID | EXECUTABLE_BY_ALL,
            "cannot be run as root by everybody",
            "chmod 4755",
        ),
    };
    let mode = metadata.mode();
    if !metadata.is_file() {
        Some((
            "is not a regular file",
            "install Caddis again; it must be a program:",
        ))
    } else if metadata.uid() != 0 {
        Some(("does not belong to root", "chown root:root"))
    } else if mode & WRITABLE_BY_OTHERS != 0 {
        Some(("can be changed by others than root", chmod))
    } else if mode & needed != needed {
        Some((cannot, chmod))
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_will_not_do() {
        let of = |path| std::fs::symlink_metadata(path).unwrap();
        for (as_whom, hint) in [(RunAs::Caller, "chmod 755"), (RunAs::Root, "chmod 4755")] {
            assert!(wrong(&of("/"), as_whom).is_some());
            assert_eq!(wrong(&of("/etc/passwd"), as_whom).unwrap().1, hint);
        }
    }
}

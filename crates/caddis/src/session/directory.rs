//! The working directory of a session that root starts for somebody else.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Search permission in the three classes of a mode.
const OWNER: u32 = 0o100;
const GROUP_AND_OTHERS: u32 = 0o011;

/// Whether the user cannot get into the directory whatever groups they are in and whatever access lists say (whose mask
/// is what the group bits show). Root usually calls from `/root`; a session that starts elsewhere then is no surprise,
/// and the helper need not warn of it. In all other cases the helper finds out.
pub fn is_closed_to(uid: u32, directory: &Path) -> bool {
    directory.ancestors().any(|ancestor| {
        std::fs::metadata(ancestor).is_ok_and(|found| is_shut(uid, found.uid(), found.mode()))
    })
}

fn is_shut(uid: u32, owner: u32, mode: u32) -> bool {
    let needed = if uid == owner {
        OWNER
    } else {
        GROUP_AND_OTHERS
    };
    mode & needed == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_counts() {
        assert!(is_shut(1000, 0, 0o40700));
        assert!(!is_shut(1000, 0, 0o40710));
        assert!(!is_shut(1000, 0, 0o40701));
        assert!(!is_shut(1000, 1000, 0o40700));
        assert!(is_shut(1000, 1000, 0o40677));
        assert!(!is_closed_to(1000, Path::new("/")));
    }
}

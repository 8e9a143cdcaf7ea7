//! Who gets the plain host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_policy::{Login, Who};

fn names(gid: u32) -> Option<Vec<u8>> {
    match gid {
        27 => Some("sudo".into()),
        28 => Some("sudoers".into()),
        300 => Some("27".into()),
        _ => None,
    }
}

fn bypasses(groups: &[&str], uid: u32, gids: &[u32]) -> bool {
    let login = Login {
        bypass_groups: groups.iter().map(|&group| group.to_owned()).collect(),
        ..Login::default()
    };
    login.bypasses(&Who {
        uid,
        user_name: Some(b"sudo"),
        gids,
        group_name: &names,
    })
}

#[test]
fn members_of_a_bypass_group_and_root() {
    for (groups, uid, gids, expected) in [
        (&["sudo", "wheel"][..], 1000, &[1000, 27][..], true),
        (&["sudo", "wheel"], 1000, &[1000, 28], false),
        (&["27"], 1000, &[27], true),
        (&["27"], 1000, &[300], false),
        // The name of a user is none of a group.
        (&["sudo"], 1000, &[], false),
        // A group whose name is not found is not among them.
        (&["sudo"], 1000, &[7], false),
        (&[], 1000, &[0, 27], false),
        (&[], 0, &[], true),
    ] {
        assert_eq!(
            bypasses(groups, uid, gids),
            expected,
            "{groups:?} {uid} {gids:?}"
        );
    }
}

//! A user has no more environments than the policy says, whichever way they are made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, State};

const REFUSED: &str = "the limit of 5 for each user is reached";

fn count(host: &Host) -> usize {
    let list = host.sh("alice", "caddis list --names").ok();
    list.stdout.lines().count()
}

/// Each environment takes inodes on the disk and in `/run`; without a cap, a loop could take all of
/// them.
#[test]
fn each_way_to_make_one_stops_at_the_cap() {
    let host = Host::start().unwrap();
    host.policy("[storage]\nenvironments = 5\n");
    let made = "for i in 1 2 3 4 5 6 7 8; do caddis new e$i || exit; done";
    host.sh("alice", made)
        .exits(125)
        .says("e6")
        .says(REFUSED)
        .says("storage.environments");
    assert_eq!(count(&host), 5);
    for way in [
        "caddis new x",
        "caddis new --from e1 x",
        "caddis run -e x true",
        "caddis root -e x true",
        "caddis run true",
        "caddis try -e x --discard true",
        "caddis try -e x --keep true",
    ] {
        host.sh("alice", way).exits(125).says(REFUSED);
    }
    host.sh("root", "caddis run --user alice -e x true")
        .exits(125)
        .says(REFUSED);
    assert_eq!(count(&host), 5);
    // Those that are there are used, and others have their own.
    host.sh("alice", "caddis run -e e5 true && caddis try -e e1 --discard true && caddis remove --yes e2 && caddis run true").ok();
    host.inside("bob", "true").ok();
    // A lower one takes nothing away.
    host.policy("[storage]\nenvironments = 1\n");
    host.sh("alice", "caddis run -e e5 true").ok();
    host.sh("alice", "caddis new x")
        .exits(125)
        .says("the limit of 1 for each user");
    assert_eq!(count(&host), 5);
    host.policy("[storage]\nenvironments = 0\n");
    host.inside("alice", "true")
        .exits(125)
        .says("storage.environments");
}

/// Those that make them at the same time do not get past it together.
#[test]
fn many_at_once_do_not_exceed_it() {
    let host = Host::start().unwrap();
    host.policy("[storage]\nenvironments = 5\n");
    host.sh("alice", "caddis run -e e0 true").ok();
    for round in 1..=5 {
        let race = format!(
            "for i in 1 2 3 4 5 6 7 8; do caddis new r{round}$i & caddis new --from e0 c{round}$i & \
             caddis run -e s{round}$i true & done; wait"
        );
        host.sh("alice", &race);
        assert_eq!(count(&host), 5);
        host.sh(
            "alice",
            "caddis remove --force --yes $(caddis list --names | grep -v e0)",
        )
        .ok();
    }
}

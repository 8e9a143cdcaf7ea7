//! Nested user and mount namespaces uncover nothing, and nothing that is mounted in them fools what has rights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack::{ALICE_INSIDE, Attacker, Findings};
use caddis_tests::{Environments, attack};

const UNCOVER: &str = attack!("uncover.py");
const FOOL: &str = attack!("fool.py");

#[test]
fn nested_namespaces_uncover_nothing() {
    let host = Host::start().unwrap();
    for attacker in ALICE_INSIDE {
        attacker.run(&host, UNCOVER, &[]).all_refused(60);
    }
}

#[test]
fn nothing_mounted_in_a_nested_namespace_fools_a_program_with_rights() {
    let host = Host::start().unwrap();
    let found = Attacker::User("alice").run(&host, FOOL, &["/home/alice"]);
    assert_eq!(found.result("the host's namespace is faked"), "done True");
    // What root makes inside belongs to the first id of her range; what these made, if they did, to herself.
    host.inside_root("alice", "touch '/home/alice/by root'")
        .ok();
    let made = host.sh("root", "cd /home/alice; stat -c '%n %u' by*").ok();
    let (roots, others): (Vec<&str>, Vec<&str>) = made
        .stdout
        .lines()
        .partition(|line| line.starts_with("by root "));
    assert_eq!(roots, ["by root 2147483648"]);
    assert!(
        !others.is_empty() && others.iter().all(|line| line.ends_with(" 1000")),
        "{made}"
    );
}

/// A service that runs under an id of its own in an environment, and is taken over, stays what it is.
#[test]
fn a_daemon_inside_does_not_become_root() {
    let host = Host::start().unwrap();
    let daemon = "install -d -o 33 /var/tmp/daemon; cd /var/tmp/daemon
        exec setpriv --reuid=33 --regid=33 --clear-groups \"$@\"";
    let as_daemon = |argv: &[&str]| {
        host.caddis(
            "alice",
            &[&["root", "sh", "-c", daemon, "sh"], argv].concat(),
        )
    };
    for argv in [
        &["caddis", "root", "touch", "by-helper"][..],
        &["sudo", "-n", "touch", "by-sudo"],
        &["su", "root", "-c", "touch by-su"],
        &[
            "unshare",
            "-U",
            "--map-user=33",
            "caddis",
            "root",
            "touch",
            "by-nested",
        ],
        &[
            "unshare",
            "-U",
            "--map-user=1000",
            "caddis",
            "root",
            "touch",
            "by-nested-alice",
        ],
    ] {
        as_daemon(argv).run().fails();
    }
    let found = Findings::of(
        as_daemon(&["python3", "-", "/var/tmp/daemon"])
            .stdin(FOOL)
            .run(),
    );
    assert_eq!(found.result("the host's namespace is faked"), "done True");
    let made = host
        .inside_root("alice", "stat -c '%n %u' /var/tmp/daemon/*")
        .ok();
    assert!(
        made.stdout.lines().count() > 0 && made.stdout.lines().all(|line| line.ends_with(" 33")),
        "{made}"
    );
}

//! `caddis try`: a command in a throw-away copy of an environment, whose changes are kept or discarded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::{Environments, NothingLeft, State};

/// `caddis try` with these words as alice.
fn attempt(host: &Host, words: &[&str]) -> Output {
    host.caddis("alice", &[&["try"], words].concat()).run()
}

#[test]
fn what_a_try_changes_is_kept_or_discarded() {
    let host = Host::start().unwrap();
    let mounts = host.mounts();
    host.inside_root(
        "alice",
        "echo mine > /etc/motd; mkdir /opt/d; echo 1 > /opt/d/f",
    )
    .ok();
    let script = "cat /etc/motd; echo tried > /etc/motd; rm /opt/d/f; echo 2 > /opt/d/g; exit $1";
    let run = |word: &str, status: &str| {
        attempt(&host, &["--root", word, "bash", "-c", script, "sh", status])
    };
    let seen = || host.inside("alice", "cat /etc/motd; ls /opt/d").ok().stdout;
    let discarded = run("--discard", "0").ok();
    assert_eq!(discarded.stdout, "mine\n");
    assert_eq!(discarded.stderr, "D /opt/d/f\nM /etc/motd\nM /opt/d/g\n");
    assert_eq!(seen(), "mine\nf\n");
    // All or nothing.
    assert_eq!(run("--keep", "7").exits(7).stdout, "mine\n");
    assert_eq!(seen(), "mine\nf\n");
    assert_eq!(run("--keep", "0").ok().stdout, "mine\n");
    assert_eq!(seen(), "tried\ng\n");
    host.has_nothing_left(&mounts);
    let left = host
        .sh(
            "root",
            "ls -A /var/lib/caddis/env/1000 /var/lib/caddis/env/1000/default",
        )
        .ok();
    assert!(
        !left.stdout.contains("try") && !left.stdout.contains("keep"),
        "{left}"
    );
}

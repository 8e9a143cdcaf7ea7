//! The first thing that the README promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, Untouched};

const EXAMPLE: &str = "sudo apt-get install -y cowsay && /usr/games/cowsay hi";

#[test]
fn a_package_is_installed_and_runs_while_the_host_stays_as_it_was() {
    let host = Host::start().unwrap();
    let before = host.files();
    let said = host
        .caddis("alice", &["run", "sh", "-c", EXAMPLE])
        .run()
        .ok();
    assert!(said.stdout.contains("< hi >"), "{said}");
    // It is still there in the next session, and for nobody else.
    host.inside("alice", "/usr/games/cowsay hi").ok();
    host.sh("alice", "/usr/games/cowsay hi").exits(127);
    host.inside("bob", "/usr/games/cowsay hi").exits(127);
    host.still_has(&before);
    assert_eq!(host.sh("root", "ls -A /usr/games").ok().text(), "");
    // The comparison would see it.
    host.sh("root", "touch /usr/games/cowsay && rm /usr/games/cowsay")
        .ok();
    assert_ne!(host.files(), before);
}

/// `make run CMD="…"`, from where it has built and installed.
#[test]
fn make_run_does_the_same() {
    let host = Host::start().unwrap();
    let script = include_str!("../../scripts/open");
    host.write("/usr/local/bin/open-environment", script, 0o755);
    let said = host
        .command("bob", &["open-environment"])
        .env("CMD", format!("sh -c '{EXAMPLE}'"))
        .run()
        .ok();
    assert!(said.stdout.contains("< hi >"), "{said}");
}

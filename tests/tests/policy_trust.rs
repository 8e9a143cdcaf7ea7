//! A policy that is missing, or that others than root could exchange, starts nothing; the commands
//! that end environments still work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, State};

const POLICY: &str = "/etc/caddis/policy.toml";

/// A host whose policy refuses bob, and with a session of alice's that goes on.
fn host() -> Host {
    let host = Host::start().unwrap();
    host.policy("[access]\ndeny_users = [\"bob\"]\n[session]\nkeep = [\"sleep\"]\n");
    host.inside("bob", "true")
        .exits(125)
        .says("cannot use Caddis");
    host.inside("alice", "sleep 4711 & sleep 0.1").ok();
    host
}

/// Nobody starts or joins anything, whatever the verb; `object` is named, and `remedy`.
fn refuses(host: &Host, object: &str, remedy: &str) {
    for user in ["alice", "bob"] {
        for verb in [
            "run true",
            "root true",
            "enter",
            "run -e other true",
            "new other",
            "new --from default other",
            "try -e default --keep true",
            "config hostname=x",
            "list",
            "ps",
            "diff",
            "stop",
        ] {
            let said = host
                .sh(user, &format!("caddis {verb} </dev/null"))
                .exits(125);
            said.says(object).says(remedy);
        }
    }
    host.sh("root", "caddis run --user alice true")
        .exits(125)
        .says(object);
    host.sh("root", "caddis admin refresh")
        .exits(125)
        .says(object);
    assert!(!host.exists("/var/lib/caddis/env/1001"));
    assert!(!host.exists("/var/lib/caddis/env/1000/other"));
}

/// `doctor` and `policy check` report it, with the remedy.
fn is_reported(host: &Host, object: &str, remedy: &str) {
    for user in ["alice", "root"] {
        let said = host.sh(user, "cd /; caddis doctor").exits(1).stdout;
        let line = said.lines().find(|line| line.starts_with("FAIL  policy"));
        let line = line.unwrap_or_else(|| panic!("{user}: {said}"));
        assert!(line.contains(object) && line.contains(remedy), "{line}");
    }
    let said = host.sh("root", "caddis admin policy check").fails();
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(all.contains(object) && all.contains(remedy), "{said}");
    let said = host.sh("root", "caddis admin policy check --json").fails();
    assert!(
        format!("{}{}", said.stdout, said.stderr).contains(object),
        "{said}"
    );
}

/// Root still sees and ends what runs, and removes what there is.
fn root_looks_after_it(host: &Host) {
    let list = host.sh("root", "caddis admin list").ok();
    assert!(
        list.stdout.contains("alice") && list.stdout.contains("running"),
        "{list}"
    );
    let ps = host.sh("root", "caddis admin ps --user alice").ok();
    assert!(ps.stdout.contains("sleep 4711"), "{ps}");
    host.sh("root", "caddis admin stop --user alice").ok();
    host.comes_to("^sleep 4711$", 0);
    host.sh("root", "caddis admin stop --all").ok();
}

/// On the old code bob, who was refused, got an environment by the move; neither `policy check` nor
/// `doctor` saw anything in a directory that everybody could write.
#[test]
fn without_a_policy_nothing_starts() {
    let host = host();
    host.sh("root", "mv /etc/caddis/policy.toml /etc/caddis/away")
        .ok();
    refuses(&host, POLICY, "hint: ");
    is_reported(&host, POLICY, "make install");
    root_looks_after_it(&host);
    // A link to nothing is no policy either.
    host.sh("root", "ln -s /etc/caddis/nothing /etc/caddis/policy.toml")
        .ok();
    host.inside("bob", "true").exits(125);
    host.sh("root", "rm -r /etc/caddis").ok();
    refuses(&host, "/etc/caddis", "hint: ");
    host.sh("root", "caddis admin stop --all && caddis admin list")
        .ok();
    host.sh(
        "root",
        "install -D -m 644 /dev/null /etc/caddis/policy.toml",
    )
    .ok();
    host.inside("alice", "true").ok();
}

/// A user who can write the policy, or a directory on the way to it, can put another one in its
/// place.
#[test]
fn a_policy_that_others_could_exchange_is_none() {
    for (spoil, object, remedy, mend) in [
        (
            "chmod 777 /etc/caddis",
            "/etc/caddis",
            "chmod go-w /etc/caddis",
            "chmod 755 /etc/caddis",
        ),
        (
            "chmod 1777 /etc/caddis",
            "/etc/caddis",
            "chmod go-w /etc/caddis",
            "chmod 755 /etc/caddis",
        ),
        (
            "chgrp proj /etc/caddis; chmod 775 /etc/caddis",
            "/etc/caddis",
            "chmod go-w /etc/caddis",
            "chmod 755 /etc/caddis",
        ),
        (
            "setfacl -m u:alice:rwx /etc/caddis",
            "/etc/caddis",
            "chmod go-w /etc/caddis",
            "setfacl -b /etc/caddis",
        ),
        (
            "chown alice /etc/caddis",
            "/etc/caddis",
            "chown root",
            "chown root /etc/caddis",
        ),
        (
            "chmod 777 /etc",
            "/etc",
            "chmod go-w /etc",
            "chmod 755 /etc",
        ),
        ("chmod 777 /", "/", "chmod go-w /", "chmod 755 /"),
        (
            "chmod 666 /etc/caddis/policy.toml",
            POLICY,
            "chmod go-w",
            "chmod 644 /etc/caddis/policy.toml",
        ),
        (
            "mv /etc/caddis /home/alice/c; ln -s /home/alice/c /etc/caddis",
            "/home/alice",
            "chown root",
            "rm /etc/caddis; mv /home/alice/c /etc/caddis",
        ),
        (
            "mkdir -m 777 /srv/open; mv /etc/caddis/policy.toml /srv/open/p; ln -s ../../srv/open/p /etc/caddis/policy.toml",
            "/srv/open",
            "chmod go-w /srv/open",
            "mv /srv/open/p /etc/caddis/policy.toml; rmdir /srv/open",
        ),
    ] {
        let host = host();
        host.sh("root", spoil).ok();
        refuses(&host, object, remedy);
        is_reported(&host, object, remedy);
        root_looks_after_it(&host);
        host.sh("root", mend).ok();
        host.inside("alice", "true").ok();
        host.inside("bob", "true").exits(125);
    }
}

#[test]
fn links_that_only_root_can_change_are_followed() {
    let host = host();
    host.sh("root", "mkdir -p /opt/site/etc; mv /etc/caddis /opt/site/etc/; ln -s ../opt/./site/../site/etc/caddis /etc/caddis; cd /etc/caddis/; mv policy.toml ours; ln -s ours policy.toml").ok();
    host.inside("alice", "true").ok();
    host.inside("bob", "true")
        .exits(125)
        .says("cannot use Caddis");
    host.sh("root", "caddis admin policy check").ok();
    // One that leads to itself is an error, not a wait.
    host.sh("root", "cd /etc/caddis/; rm ours; ln -s policy.toml ours")
        .ok();
    host.inside("alice", "true")
        .exits(125)
        .says("/opt/site/etc/caddis/ours: Too many levels");
}

/// What root needs to end environments is not in the policy alone: where they lie is remembered.
#[test]
fn the_state_directory_is_remembered() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir -m 700 /srv/state").ok();
    host.policy("[storage]\nstate = \"/srv/state\"\n[session]\nkeep = [\"sleep\"]\n");
    host.sh("root", "caddis admin refresh").ok();
    host.inside("alice", "sleep 4712 & sleep 0.1").ok();
    for spoil in [
        "rm /etc/caddis/policy.toml",
        "echo '[[' > /etc/caddis/policy.toml",
    ] {
        host.sh("root", spoil).ok();
        let list = host.sh("root", "caddis admin list").ok().says("/srv/state");
        assert!(list.stdout.contains("alice"), "{list}");
        let ps = host.sh("root", "caddis admin ps --all").ok();
        assert!(ps.stdout.contains("sleep 4712"), "{ps}");
    }
    host.sh("root", "caddis admin stop --user alice").ok();
    host.comes_to("^sleep 4712$", 0);
}

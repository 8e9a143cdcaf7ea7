//! What the policy says of users: who may use Caddis, with which ids, and nobody when it is not in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output, eventually};
use caddis_tests::{Environments, State};

/// Puts a policy in force and runs a script of alice's as root of a fresh instance.
fn root_under(host: &Host, policy: &str, script: &str) -> Output {
    host.policy_in_force(policy);
    host.inside_root("alice", script)
}

#[test]
fn who_may_use_caddis() {
    let host = Host::start().unwrap();
    let may = |policy: &str| {
        host.policy(policy);
        let users = ["alice", "bob", "carol"].into_iter();
        users
            .filter(|user| host.caddis(user, &["new", "x"]).run().code() == 0)
            .map(|user| {
                host.caddis(user, &["remove", "--yes", "x"]).run().ok();
                &user[..1]
            })
            .collect::<String>()
    };
    assert_eq!(may(""), "abc");
    assert_eq!(may("[access]\nusers = []\n"), "");
    assert_eq!(may("[access]\nusers = [\"bob\", \"1002\"]\n"), "bc");
    assert_eq!(may("[access]\nusers = []\ngroups = [\"proj\"]\n"), "ac");
    assert_eq!(may("[access]\nusers = []\ngroups = [\"2000\"]\n"), "ac");
    assert_eq!(
        may("[access]\ngroups = [\"proj\"]\ndeny_users = [\"alice\"]\n"),
        "bc"
    );
    assert_eq!(may("[access]\ndeny_groups = [\"proj\"]\n"), "b");
    assert_eq!(may("[access]\nmin_uid = 1001\n"), "bc");
    // All of it is refused, and nothing is made.
    host.policy("[access]\ndeny_users = [\"alice\"]\n");
    for line in [
        "run true",
        "root true",
        "enter",
        "new y",
        "new y --from x",
        "list",
        "ps",
        "stop",
        "config",
        "remove --yes y",
    ] {
        let refused = host.sh("alice", &format!("caddis {line}")).exits(125);
        refused
            .says("caddis: cannot use Caddis: ")
            .says("the administrator decides who may");
    }
    host.sh("root", "caddis run --user alice true")
        .exits(125)
        .says("cannot use Caddis");
    assert_eq!(
        host.sh("root", "ls -A -I .account /var/lib/caddis/env/1000")
            .ok()
            .stdout,
        ""
    );
}

#[test]
fn id_ranges_come_from_the_policy_or_from_subuid() {
    let host = Host::start().unwrap();
    host.inside_root("alice", "touch /opt/root /opt/www; chown 33:33 /opt/www")
        .ok();
    // On disk the ids are the host's own, whatever the range: owners do not change with it.
    let owners = "stat -c '%u %g' /opt/root /opt/www";
    let map = "awk '$1 == 0 { print $2; exit }' /proc/self/uid_map; awk '$1 == 0 { print $2; exit }' /proc/self/gid_map";
    let seen = |policy: &str| {
        let output = root_under(&host, policy, &format!("{owners}; {map}")).ok();
        output
            .stdout
            .strip_prefix("0 0\n33 33\n")
            .unwrap()
            .replace('\n', " ")
    };
    assert_eq!(seen(""), "2147483648 2147483648 ");
    assert_eq!(
        seen("[ids]\nstart = 1000000\nfirst_uid = 998\n"),
        "1131072 1131072 "
    );
    host.sh(
        "root",
        "echo alice:3000000:65536 > /etc/subuid; echo 1000:4000000:70000 > /etc/subgid",
    )
    .ok();
    assert_eq!(seen(""), "3000000 4000000 ");
    assert_eq!(seen("[ids]\nsubuid = false\n"), "2147483648 2147483648 ");
    // As the host sees it: her processes as root of the environment have the first id of the range.
    host.policy("");
    let mut session = host
        .caddis(
            "alice",
            &["root", "-e", "ids", "sh", "-c", "echo; exec sleep infinity"],
        )
        .spawn();
    session.line();
    assert_eq!(
        host.sh(
            "root",
            "until pgrep -x sleep >/dev/null; do :; done; ps -o uid= -C sleep"
        )
        .ok()
        .text(),
        "3000000"
    );
    drop(session);
    // Ranges that are too small, or overlap those of others.
    host.sh("root", "echo alice:3000000:65535 > /etc/subuid")
        .ok();
    assert_eq!(seen(""), "2147483648 2147483648 ");
    host.sh(
        "root",
        "echo bob:2147500000:65536 > /etc/subuid; echo bob:2147500000:65536 > /etc/subgid",
    )
    .ok();
    let refused = root_under(&host, "", "true").exits(125);
    refused
        .says("caddis: cannot find an id range for user 1000: ")
        .says("bob");
    assert_eq!(
        root_under(&host, "[ids]\nstart = 0x9000_0000\n", "id -u")
            .ok()
            .text(),
        "0"
    );
}

#[test]
fn a_policy_that_is_not_in_order_lets_nobody_in() {
    let host = Host::start().unwrap();
    let bad = [
        (
            "[view]\nprivte = []\n",
            "line 2, key `view.privte`: ",
            "private",
        ),
        ("\n\n[sesion]\n", "line 3, key `sesion`: ", "session"),
        (
            "[session]\nlinger = 60\n",
            "line 2, key `session.linger`: ",
            "allowed: ",
        ),
        (
            "[access]\nusers = \"alice\"\n",
            "line 2, key `access.users`: ",
            "list",
        ),
        ("[view\n", "line 1", ""),
    ];
    for (text, place, part) in bad {
        host.policy(text);
        let refused = host.inside("alice", "true").exits(125);
        refused
            .says("caddis: cannot read the policy /etc/caddis/policy.toml: ")
            .says(place)
            .says(part)
            .says("caddis admin policy check");
        host.sh("alice", "caddis list").exits(125).says(place);
    }
    host.policy("");
    // It must be root's alone, or it is no policy.
    for spoil in [
        "chmod 666 /etc/caddis/policy.toml",
        "chmod 644 /etc/caddis/policy.toml; chown alice /etc/caddis/policy.toml",
    ] {
        host.sh("root", spoil).ok();
        host.inside("alice", "true").exits(125).says("cannot trust /etc/caddis/policy.toml: it must belong to root, and nobody else may write it");
    }
    // An empty one means the defaults.
    host.sh("root", "rm /etc/caddis/policy.toml").ok();
    host.policy("");
    host.inside("alice", "true").ok();
    eventually("it lingers", || {
        host.first_process(1000, "default").is_some()
    });
}

//! Processes of the host and of other users are out of reach, and so is what processes share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::attack::{ALICE_INSIDE, Attacker, Findings, arguments};
use caddis_tests::{Environments, attack};

const PROCESSES: &str = attack!("processes.py");
const KEYS: &str = attack!("keys.py");
const MAKE_KEYS: &str = attack!("make_keys.py");

#[test]
fn no_process_outside_can_be_traced_seen_or_signalled() {
    let host = Host::start().unwrap();
    // One of her own on the host, one of bob's, one of bob's in his environment, and a terminal of each.
    let mut own = host.spawn("alice", "echo ready; exec sleep infinity");
    let mut bobs = host.spawn("bob", "echo ready; exec sleep infinity");
    let mut inside = host.session("bob", "echo ready; exec sleep infinity");
    let mut terminals = ["alice", "bob"]
        .map(|user| host.pty(user, &["sh", "-c", "echo ready; exec sleep infinity"]));
    for child in [&mut own, &mut bobs, &mut inside] {
        child.until("ready");
    }
    for terminal in &mut terminals {
        terminal.expect("ready");
    }
    let pids = [&mut own, &mut bobs, &mut inside].map(|child| child.pid_in_host().to_string());
    for attacker in ALICE_INSIDE {
        for place in ["here", "nested"] {
            attacker
                .run(&host, PROCESSES, &arguments(place, &pids))
                .all_refused(50);
        }
    }
    // Everything that there is to be signalled is inside.
    for how in ["run", "root"] {
        host.caddis(
            "alice",
            &[how, "sh", "-c", "trap '' TERM; kill -TERM -1; kill -9 -1"],
        )
        .run();
    }
    for child in [&own, &bobs, &inside] {
        assert!(!child.has_ended());
    }
    // Those that were killed are there until process 1 has waited for them.
    eventually("nothing else is to be seen inside", || {
        let listed = host.inside("alice", "ps -e --no-headers -o comm=").ok();
        listed.text() == "caddis-init\nps"
    });
    // On the host she can do all of that to her own, and root to all.
    let found = Attacker::Host("root").run(&host, PROCESSES, &arguments("here", &pids));
    for pid in &pids {
        for what in ["attach to", "read memory of", "take descriptor 1 of", "see"] {
            let result = found.result(&format!("{what} host process {pid}"));
            assert!(result.starts_with("done"), "{what} {pid}: {result}");
        }
    }
}

#[test]
fn shared_memory_semaphores_and_queues_are_an_environments_own() {
    let host = Host::start().unwrap();
    let made = host
        .sh(
            "alice",
            "ipcmk -M 4096 -p 0666; ipcmk -S 1 -p 0666; ipcmk -Q -p 0666; ipcs -msq | grep -c 0x",
        )
        .ok();
    assert!(made.stdout.ends_with("\n3\n"), "{made}");
    for attacker in ALICE_INSIDE {
        let script = "ipcs -msq | grep -c 0x; ls /dev/shm";
        let seen = attacker.command(&host, &["sh", "-c", script]).run();
        assert_eq!(seen.text(), "0", "{seen}");
    }
}

#[test]
fn keys_of_others_stay_closed_and_roots_own_do_not_come_along() {
    let host = Host::start().unwrap();
    // By default there are no keys inside. With this policy there are, and others' stay out of
    // reach.
    host.write("/etc/caddis/policy.toml", "[kernel]\nkeys = true\n", 0o644);
    let mut keepers = Vec::new();
    let mut numbers = Vec::new();
    for (user, place) in [
        ("root", "session"),
        ("root", "user"),
        ("bob", "session"),
        ("bob", "user"),
        ("bob", "persistent"),
    ] {
        let mut keeper = host
            .command(user, &["python3", "-c", MAKE_KEYS, place])
            .spawn();
        let line = keeper.line();
        if line.parse::<u32>().is_ok() {
            numbers.push(line);
            keepers.push(keeper);
        }
    }
    assert!(numbers.len() >= 4);
    for attacker in ALICE_INSIDE {
        for place in ["here", "nested"] {
            attacker
                .run(&host, KEYS, &arguments(place, &numbers))
                .all_refused(20);
        }
    }
    // Root who runs something for alice keeps the keys of the session; without Caddis they would go with it.
    let with_a_key = |argv: &[&str]| {
        let argv = [
            &["python3", "-c", MAKE_KEYS, "session"],
            argv,
            &["python3", "-c", KEYS, "here"],
        ]
        .concat();
        let findings = Findings::of(host.command("root", &argv).run());
        let number = findings.output.stdout.lines().next().unwrap().to_owned();
        findings.result(&format!("read {number}")).to_owned()
    };
    let switched = ["setpriv", "--reuid=1000", "--regid=1000", "--init-groups"];
    assert_eq!(with_a_key(&switched), "done SECRET:key");
    assert!(with_a_key(&["caddis", "run", "--user", "alice"]).starts_with("refused"));
    assert!(with_a_key(&["caddis", "root", "--user", "alice"]).starts_with("refused"));
}

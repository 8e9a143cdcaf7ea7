//! The stand-ins for what only root can read: what is found for them, and how long a generation of them stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, eventually};
use caddis_tests::attack::Attacker;
use caddis_tests::{Environments, State};
use std::time::Duration;

/// Builds the veil anew, since there is a further file to stand in for.
fn refresh(host: &Host, number: u32) {
    let script = format!("install -m 600 /dev/null /etc/key{number}; caddis admin refresh");
    let said = host.sh("root", &script).ok();
    assert!(said.stdout.contains("the veil is new"), "{said}");
}

/// The names in the directory of the veils.
fn kept(host: &Host) -> String {
    let list = "ls -A /var/lib/caddis/veil | grep -v basis | sort -V | paste -sd ' '";
    host.sh("root", list).ok().text().to_owned()
}

/// A session that stays, in an environment of that user's.
fn stays(host: &Host, user: &str) -> HostChild {
    let mut session = host.session(user, "echo; read -r end");
    session.line();
    session
}

#[test]
fn a_generation_stays_for_as_long_as_process_1_of_an_instance_uses_it() {
    let host = Host::start().unwrap();
    assert_eq!(kept(&host), "1 1.list");
    let alice = stays(&host, "alice");
    refresh(&host, 2);
    let mut bob = stays(&host, "bob");
    refresh(&host, 3);
    // Carol's lingers only: no session is left, but an instance.
    host.inside("carol", "true").ok();
    refresh(&host, 4);
    let all = "1 1.list 2 2.list 3 3.list 4 4.list";
    assert_eq!(kept(&host), all);
    // It is process 1 that holds it, and nobody else has to be there.
    let locks = |uid: u32| {
        let pid = host.first_process(uid, "default").unwrap();
        let script = format!(
            "readlink /proc/{pid}/fd/* | grep veil; grep -h ^lock: /proc/{pid}/fdinfo/* | grep READ"
        );
        host.sh("root", &script).ok().stdout
    };
    for (uid, generation) in [(1000, 1), (1001, 2), (1002, 3)] {
        let held = locks(uid);
        let list = format!("/var/lib/caddis/veil/{generation}.list\n");
        assert!(held.starts_with(&list) && held.contains("FLOCK"), "{held}");
    }
    // Nobody's session is disturbed: its stand-ins are there.
    let seen = host
        .inside_root("alice", "ls -A /root; cat /etc/sudoers | head -1")
        .ok();
    assert!(seen.stdout.contains("Stands in for"), "{seen}");
    // One that is killed lets go as one that ends does.
    let first = host.first_process(1000, "default").unwrap();
    host.sh("root", &format!("kill -9 {first}")).ok();
    // Not before: to wait closes the command's input, at which it ends by itself.
    eventually("it is gone", || !host.exists(&format!("/proc/{first}")));
    alice.wait().exits(137);
    refresh(&host, 5);
    assert_eq!(kept(&host), "2 2.list 3 3.list 5 5.list");
    host.sh("carol", "caddis stop").ok();
    refresh(&host, 6);
    assert_eq!(kept(&host), "2 2.list 6 6.list");
    bob.send("end\n");
    bob.wait();
    host.sh("bob", "caddis stop").ok();
    refresh(&host, 7);
    assert_eq!(kept(&host), "7 7.list");
    host.inside("bob", "true").ok();
}

#[test]
fn starts_and_refreshes_that_meet_do_no_harm() {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"0\"\n");
    let refreshes = "for i in {1..40}; do install -m 600 /dev/null /etc/key$i; caddis admin refresh || exit; done";
    let refreshing = host.spawn("root", refreshes);
    // Each finds a whole one, however soon it is the newest no more.
    let mut starts = 0;
    while !refreshing.has_ended() || starts < 10 {
        let look = "head -1 /etc/sudoers; ls -A /root; cat /etc/sudoers.d/caddis | wc -l";
        let seen = host.inside_root("alice", look).ok();
        assert!(
            seen.stdout.starts_with("# Stands in") && seen.stdout.ends_with("2\n"),
            "{seen}"
        );
        starts += 1;
    }
    refreshing.wait().ok();
    eventually("nothing runs", || host.count("caddis-init") == 0);
    refresh(&host, 41);
    assert_eq!(kept(&host), "42 42.list");
}

/// A server that does not answer would otherwise hold up whoever refreshes the veil.
#[test]
fn a_scan_asks_nothing_of_file_systems_that_are_no_part_of_the_base() {
    let host = Host::builder()
        .memory("/var/fast", "size=1m,mode=755")
        .start()
        .unwrap();
    host.sh(
        "root",
        "mkdir -p /root/source /frozen /var/frozen /usr/share/frozen; echo x > /root/source/secret; chmod 600 /root/source/secret
         for place in /frozen /var/frozen /usr/share/frozen; do bindfs /root/source $place; done
         install -m 600 /dev/null /var/fast/secret; mkdir -m 700 /var/closed; pkill -STOP bindfs",
    )
    .ok();
    let refresh = host.command("root", &["caddis", "admin", "refresh"]);
    let said = refresh.deadline(Duration::from_secs(30)).run();
    host.sh("root", "pkill -CONT bindfs").ok();
    assert!(said.ok().stdout.contains("the veil is new"));
    // What was found is of the base alone.
    let list = host.read_text("/var/lib/caddis/veil/2.list");
    assert!(list.contains("\"/var/closed\" 0 0 700 empty"), "{list}");
    assert!(!list.contains("frozen") && !list.contains("fast"), "{list}");
}

#[test]
fn directories_that_root_cannot_read_are_passed_over() {
    let host = Host::start().unwrap();
    // A file system that a program of alice's answers for, with her rights, be it root who asks. Counted as local, so
    // that it is no other's.
    host.sh("root", "echo user_allow_other >> /etc/fuse.conf; chmod 666 /dev/fuse; install -d -o alice /var/alices /var/others; mkdir -m 700 /var/zz-closed").ok();
    let mounted = "mkdir -p ~/source/closed/below ~/source/open; chmod 0 ~/source/closed; bindfs -o allow_other ~/source /var/alices; \
                   bindfs --no-allow-other ~/source /var/others; ls /var/alices/open /var/others/open";
    host.sh("alice", mounted).ok();
    host.sh("root", "stat /var/alices/closed && ls /var/alices/closed")
        .fails()
        .says("'/var/alices/closed': Permission denied");
    host.sh("root", "stat /var/others")
        .fails()
        .says("Permission denied");
    let policy = host.read_text("/etc/caddis/policy.toml");
    let policy = policy.replace("\"ext2\", ", "\"ext2\", \"fuse\", ");
    host.write("/etc/caddis/policy.toml", policy, 0o644);
    let said = host.sh("root", "caddis admin refresh").ok();
    assert!(said.stdout.contains("the veil is new"), "{said}");
    let list = host.read_text("/var/lib/caddis/veil/2.list");
    assert!(list.contains("\"/var/zz-closed\" 0 0 700 empty"), "{list}");
    assert!(
        !list.contains("alices") && !list.contains("others"),
        "{list}"
    );
}

/// Overlayfs opens for reading what it executes, so such a program is of no use inside.
#[test]
fn programs_that_can_be_executed_but_not_read_show_nothing_of_their_content() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "cd /usr/local/bin; for mode in 711 701 710 4711 111; do cp /bin/echo program$mode; echo SECRET >> program$mode; chmod $mode program$mode; done
         chgrp proj program710; echo '#!/bin/sh SECRET' > script711; chmod 711 script711",
    )
    .ok();
    let names = "program711 program701 program710 program4711 program111 script711";
    let look = format!(
        "cd /usr/local/bin; for name in {names}; do cat $name; ./$name ran; cp $name ~/copy; done; cat ~/copy; true"
    );
    // On the host they can be executed.
    let on_host = host.sh("alice", &look).ok();
    assert_eq!(on_host.stdout, "ran\n".repeat(5), "{on_host}");
    let attackers = ["alice", "bob"].map(|user| [Attacker::User(user), Attacker::Root(user)]);
    // Before the veil knows of them, when it does, and when it is out of date.
    for prepare in [
        "true",
        "caddis admin refresh",
        "chmod 755 /usr/local/bin/program711; caddis admin refresh; chmod 711 /usr/local/bin/program711",
    ] {
        host.sh("root", &format!("caddis admin stop --all; {prepare}"))
            .ok();
        for attacker in attackers.iter().flatten() {
            let seen = attacker.command(&host, &["bash", "-c", &look]).run().ok();
            assert_eq!(seen.stdout, "", "{prepare}: {attacker:?}: {seen}");
        }
    }
    // Of those that no ordinary user's group may use either, there is nothing.
    host.sh("root", "caddis admin stop --all; caddis admin refresh")
        .ok();
    for attacker in attackers.iter().flatten() {
        let list = attacker
            .command(&host, &["ls", "/usr/local/bin"])
            .run()
            .ok();
        for name in names.split(' ').filter(|name| *name != "program710") {
            assert!(!list.stdout.contains(name), "{attacker:?}: {list}");
        }
    }
}

//! Disks without room, or without inodes, where the environments lie: what needs none works, what needs some is told
//! of, and nothing is there by half.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host};
use caddis_tests::{Environments, NothingLeft, State, Told};

/// A host whose environments lie on a small disk of their own, with what alice has changed: in "default", and in
/// "template", which carol has, too. None of them runs.
fn host_with_small_disk() -> Host {
    let host = Host::builder()
        .disk("/disk", FileSystem::Ext4, "12M")
        .start()
        .unwrap();
    // In the place of the host's own, so that the disk is nowhere to be seen for alice.
    let script = "mount --bind /disk /var/lib/caddis; umount /disk; chmod 700 /var/lib/caddis; caddis admin refresh";
    host.sh("root", script).ok();
    for (environment, text) in [("default", "mine"), ("template", "x")] {
        let script = format!("mkdir -p /opt/a/b; echo {text} > /opt/a/b/c");
        host.caddis("alice", &["root", "-e", environment, "bash", "-c", &script])
            .run()
            .ok();
    }
    host.caddis("alice", &["config", "hostname=before"])
        .run()
        .ok();
    host.sh("alice", "caddis stop --all").ok();
    host
}

fn is_as_ever(host: &Host) {
    let script = "hostname; cat /opt/a/b/c; echo again > /opt/new";
    let next = host.inside_root("alice", script).ok();
    assert_eq!(
        (next.stdout.as_str(), next.stderr.as_str()),
        ("before\nmine\n", "")
    );
    let template = host
        .sh("alice", "caddis run -e template cat /opt/a/b/c")
        .ok();
    assert_eq!((template.text(), template.stderr.as_str()), ("x", ""));
}

/// Everything that a user does, on a disk that `fill` has filled. What needs no room works, what needs some is told of.
fn on_a_full_disk(fill: &str) {
    let host = host_with_small_disk();
    let before = host.mounts();
    let mut session = host.session(
        "alice",
        "echo in; while read -r line; do eval \"$line\"; echo end; done",
    );
    session.line();
    host.sh("root", fill).ok();
    // What runs goes on, is joined, and says what it cannot do; as on every machine.
    host.inside("alice", "cat /opt/a/b/c; hostname").ok();
    host.inside_root("alice", "mkdir /opt/made")
        .fails()
        .says("No space left on device");
    host.inside_root("alice", "head -c 100000 /dev/zero > /opt/big")
        .fails()
        .says("No space left on device");
    session.send("cat /opt/a/b/c 2>&1; cp /etc/passwd ~/copy && echo copied\n");
    assert_eq!(session.until("end\n"), "mine\ncopied\nend\n");
    session.close_stdin();
    session.wait().ok();
    // New ones: for somebody who has none, for somebody who has, and copies.
    let told = |user: &str, arguments: &[&str]| {
        let output = host.caddis(user, arguments).run().exits(125).told();
        output.says("No space left on device");
    };
    told("carol", &["run", "true"]);
    told("alice", &["run", "-e", "fresh", "true"]);
    told("alice", &["new", "copy", "--from", "template"]);
    told("alice", &["config", "hostname=after"]);
    assert_eq!(
        host.caddis("alice", &["config", "hostname"])
            .run()
            .ok()
            .text(),
        "before"
    );
    host.caddis("alice", &["list"]).run().ok();
    host.caddis("alice", &["ps"]).run().ok();
    host.caddis("alice", &["stop", "--all"]).run().ok();
    // A start needs room for overlayfs' scratch space, and none that it had not given back before.
    for _ in 0..2 {
        let output = host.inside("alice", "cat /opt/a/b/c");
        if output.code() == 0 {
            assert_eq!((output.text(), output.stderr.as_str()), ("mine", ""));
            host.caddis("alice", &["stop", "--all"]).run().ok();
        } else {
            output.exits(125).told().says("No space left on device");
        }
    }
    // The administrator's veil stays what it was.
    host.sh("root", "touch /etc/for-root; chmod 600 /etc/for-root")
        .ok();
    host.sh("root", "caddis admin refresh")
        .exits(125)
        .told()
        .says("No space left on device");
    // Removing makes room, of all things.
    host.caddis("alice", &["remove", "--yes", "template"])
        .run()
        .ok();
    host.sh("root", "rm -r /var/lib/caddis/filler; caddis admin refresh")
        .ok();
    host.sh("alice", "caddis new template; caddis root -e template bash -c 'mkdir -p /opt/a/b; echo x > /opt/a/b/c'").ok();
    is_as_ever(&host);
    host.sh("carol", "caddis run true").ok();
    host.has_nothing_left(&before);
    let left = host
        .sh(
            "root",
            "ls -A /var/lib/caddis /var/lib/caddis/veil /var/lib/caddis/env/1000",
        )
        .ok();
    assert!(
        !left.stdout.contains(".new") && !left.stdout.contains("fresh"),
        "{left}"
    );
}

#[test]
fn a_disk_without_room() {
    // The last kilobytes, too, and the blocks of directories that were made meanwhile.
    on_a_full_disk(
        "mkdir /var/lib/caddis/filler; cd /var/lib/caddis/filler; cat /dev/zero > zeros; i=0; \
         while mkdir $((i += 1)); do :; done; test $(df --output=avail . | tail -1) = 0",
    );
}

#[test]
fn a_disk_without_inodes() {
    on_a_full_disk(
        "mkdir /var/lib/caddis/filler; cd /var/lib/caddis/filler; i=0; while : > $((i += 1)); do :; done; \
         test $(df --output=iavail . | tail -1) = 0 -a $(df --output=avail . | tail -1) -gt 100",
    );
}

/// From none to enough, one more each time: whatever a start or a copy makes first, the next thing fails.
#[test]
fn a_disk_with_a_few_inodes_left() {
    let host = host_with_small_disk();
    let before = host.mounts();
    let fill = "mkdir /var/lib/caddis/filler; cd /var/lib/caddis/filler; i=0; while : > $((i += 1)); do :; done";
    host.sh("root", fill).ok();
    // The kernel shows an overlay for which it could not make its scratch space read-only, without a word.
    let look = "while read -r _ _ _ _ at flags rest; do if [ $at = / ]; then echo $flags ${rest##* }; fi; done \
                < /proc/self/mountinfo";
    let (mut refused, mut worked) = (0, 0);
    for free in 0..14 {
        let take = format!("cd /var/lib/caddis/filler; ls -U | head -{free} | xargs -r rm; sync .");
        let requests: [(&str, &[&str]); 4] = [
            ("carol", &["run", "bash", "-c", look]),
            ("alice", &["run", "-e", "fresh", "bash", "-c", look]),
            ("alice", &["new", "copy", "--from", "template"]),
            ("alice", &["run", "bash", "-c", look]),
        ];
        for (user, arguments) in requests {
            host.sh("root", &take).ok();
            let output = host.caddis(user, arguments).run();
            if output.code() == 0 {
                assert_eq!(output.stderr, "");
                let shown = output.text();
                assert!(
                    shown.is_empty() || shown.starts_with("rw,") && shown.contains(" rw,"),
                    "{output}"
                );
                worked += 1;
            } else {
                output.exits(125).told().says("No space left on device");
                refused += 1;
            }
            host.sh("root", "caddis admin stop --all").ok();
            // With room again, what was begun can be used or is not there; then as before.
            let clean = "rm -r /var/lib/caddis/filler; as() { runuser -u $1 -- bash -c \"cd; $2\"; }; as alice 'caddis list; \
                         caddis run -e fresh true; caddis run -e copy true; caddis remove --yes --force fresh copy'; \
                         as carol 'caddis run true'; caddis admin stop --all; rm -r /var/lib/caddis/env/1002";
            let cleaned = host.sh("root", clean).ok();
            assert!(cleaned.stdout.contains("template"), "{cleaned}");
            is_as_ever(&host);
            host.caddis("alice", &["stop", "--all"]).run().ok();
            host.sh("root", fill).ok();
        }
    }
    assert!(
        refused > 10 && worked > 10,
        "{refused} refused, {worked} worked"
    );
    host.has_nothing_left(&before);
}

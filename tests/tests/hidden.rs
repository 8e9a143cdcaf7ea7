//! What of others shows inside: next to nothing. `docs/security.md` names what does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;
use caddis_tests::attack::ALICE_INSIDE;

#[test]
fn homes_temporary_files_and_run_time_files_of_others_do_not_show() {
    let host = Host::start().unwrap();
    host.sh("root", "for place in /tmp /var/tmp /dev/shm /run; do echo x > $place/others; chmod 666 $place/others; done").ok();
    host.inside("bob", "touch /tmp/bobs /var/tmp/bobs /dev/shm/bobs")
        .ok();
    let shown = "cd /; for place in home tmp var/tmp dev/shm run run/user run/lock run/screen; do echo $place: $(ls -A $place); done";
    let expected = "home: alice\ntmp:\nvar/tmp:\ndev/shm:\nrun: caddis lock screen user\nrun/user:\nrun/lock:\nrun/screen:\n";
    for attacker in ALICE_INSIDE {
        let seen = attacker.command(&host, &["sh", "-c", shown]).run().ok();
        assert_eq!(seen.stdout, expected);
    }
    // As on the host, alice may write in all of the temporary ones.
    host.inside(
        "alice",
        "touch /tmp/x /var/tmp/x /dev/shm/x && stat -c %a /tmp /var/tmp /dev/shm",
    )
    .ok();
    assert!(!host.exists("/tmp/x") && !host.exists("/var/tmp/x") && !host.exists("/dev/shm/x"));
    assert!(
        host.inside("bob", "ls /var/tmp /dev/shm /tmp")
            .ok()
            .stdout
            .matches("bobs")
            .count()
            == 3
    );
}

#[test]
fn processes_and_mounts_that_show_are_the_environments_own() {
    let host = Host::start().unwrap();
    let mut bob = host.session("bob", "echo ready; exec sleep infinity");
    bob.until("ready");
    for attacker in ALICE_INSIDE {
        let seen = attacker
            .command(&host, &["ps", "-e", "-o", "args="])
            .run()
            .ok();
        assert_eq!(seen.text(), "caddis-init\nps -e -o args=");
        // Neither of where Caddis keeps things, nor of the host's own mounts elsewhere.
        let mounts = attacker
            .command(
                &host,
                &[
                    "cat",
                    "/proc/self/mountinfo",
                    "/proc/self/mounts",
                    "/proc/self/mountstats",
                ],
            )
            .run()
            .ok();
        for secret in ["/var/lib/caddis", "bob", "/env/1000"] {
            assert!(!mounts.stdout.contains(secret), "{mounts}");
        }
    }
}

#[test]
fn the_devices_are_those_of_the_policy() {
    let host = Host::start().unwrap();
    for attacker in ALICE_INSIDE {
        let seen = attacker
            .command(&host, &["sh", "-c", "ls /dev | tr '\\n' ' '"])
            .run()
            .ok();
        assert_eq!(
            seen.text(),
            "fd full fuse null ptmx pts random shm stderr stdin stdout tty urandom zero"
        );
    }
    // Renaming the directory or putting a node of the base's there does not help.
    host.sh("root", "mknod -m 666 /srv/memory c 1 1; mknod -m 666 /srv/disk b 7 0; mknod -m 666 /home/alice/zero c 1 5").ok();
    for attacker in ALICE_INSIDE {
        let script = "for node in /srv/memory /srv/disk ~alice/zero /home/alice/zero; do dd if=$node count=1 of=/dev/null && echo opened; done; \
            cp -a /srv/memory /dev/memory && dd if=/dev/memory of=/dev/null count=1 && echo opened; \
            ln /srv/memory /srv/other && dd if=/srv/other of=/dev/null count=1 && echo opened; true";
        assert_eq!(
            attacker
                .command(&host, &["bash", "-c", script])
                .run()
                .text(),
            ""
        );
    }
}

/// Deliberately: the network is the host's, and names without a file belong to it.
#[test]
fn abstract_sockets_are_shared_as_the_network_is() {
    let host = Host::start().unwrap();
    let listen = "import socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0caddis-test'); s.listen(); print('ready', flush=True); s.accept()[0].send(b'hello')";
    let connect = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0caddis-test'); print(s.recv(9).decode())";
    let mut listener = host.command("alice", &["python3", "-c", listen]).spawn();
    listener.until("ready");
    assert_eq!(
        host.caddis("alice", &["run", "python3", "-c", connect])
            .run()
            .ok()
            .text(),
        "hello"
    );
}

/// A limit of user namespaces, to be known: on a file system that is passed through, a rule that denies something to
/// alice or to a group of hers says nothing about the ids of her range. Overlays do not have it, see `secrets.rs`.
#[test]
fn rules_that_deny_do_not_reach_the_root_of_an_environment_on_passed_through_file_systems() {
    let host = Host::builder()
        .memory("/scratch", "size=1m,mode=755")
        .start()
        .unwrap();
    host.sh("root", "cd /scratch; echo denied > to-proj; chgrp proj to-proj; chmod 604 to-proj; echo closed > closed; chmod 600 closed").ok();
    host.sh("alice", "cat /scratch/to-proj").fails();
    host.inside("alice", "cat /scratch/to-proj").fails();
    assert_eq!(
        host.inside_root("alice", "cat /scratch/to-proj")
            .ok()
            .text(),
        "denied"
    );
    // What others may not read either stays closed.
    host.inside_root("alice", "cat /scratch/closed").fails();
}

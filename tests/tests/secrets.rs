//! From inside an environment nothing can be read that its user could not read on the host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack::{ALICE_INSIDE, Attacker, Findings};
use caddis_tests::{Environments, attack};

const READ: &str = attack!("read.py");
const SWEEP: &str = attack!("sweep.py");

/// What nobody but its owner may read, from before the session and from after its begin.
const SECRETS: [&str; 11] = [
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/munge/munge.key",
    "/root/secret.txt",
    "/home/bob/private.txt",
    "/srv/bobs/file.txt",
    "/var/lib/caddis/env/1001/default/@/etc/bobs.conf",
    "/etc/later.key",
    "/srv/proj/later.key",
    "/etc/closed.conf",
];

/// A line with the mark in a file of the host's, which the file's owner and mode must protect.
fn mark(host: &Host, path: &str) {
    let script = format!("umask 077; echo 'SECRET:{path}' >> '{path}'");
    host.sh("root", &script).ok();
}

/// A host with secrets, of which alice has an environment that runs; bob has one with a session.
fn prepare(host: &Host) -> caddis_lab::HostChild {
    for secret in &SECRETS[..6] {
        mark(host, secret);
    }
    host.sh("root", "install -d -m 755 -o bob -g bob /srv/bobs; install -m 640 -o bob -g bob /dev/null /srv/bobs/file.txt").ok();
    mark(host, SECRETS[6]);
    host.write("/etc/closed.conf", "SECRET:closed", 0o644);
    let mut bob = host.session(
        "bob",
        "export MINE=SECRET:environment; echo SECRET:tmp | tee /tmp/bobs /var/tmp/bobs /dev/shm/bobs; sudo sh -c 'echo SECRET:conf > /etc/bobs.conf; chmod 644 /etc/bobs.conf'; sudo -k; \
         exec sh -c 'echo ready; read -r end' SECRET:argument",
    );
    bob.until("ready");
    assert!(host.exists(SECRETS[7]));
    host.write("/tmp/hosts", "SECRET:host's tmp", 0o600);
    host.write("/var/tmp/hosts", "SECRET:host's var tmp", 0o600);
    host.write("/dev/shm/hosts", "SECRET:host's shm", 0o600);
    // The session sees it while it is open to all, so that whatever can be cached is.
    host.inside("alice", "cat /etc/closed.conf; ls /etc /srv/proj")
        .ok();
    host.sh("root", "chmod 600 /etc/closed.conf").ok();
    mark(host, "/etc/later.key");
    mark(host, "/srv/proj/later.key");
    bob
}

fn nothing_is_read(host: &Host, attacker: Attacker) {
    for place in ["here", "nested"] {
        let arguments = [&[place], &SECRETS[..]].concat();
        // 14 ways.
        attacker
            .run(host, READ, &arguments)
            .all_refused(14 * SECRETS.len());
        sweep(host, attacker, place).all_refused(0);
    }
}

fn sweep(host: &Host, attacker: Attacker, place: &str) -> Findings {
    let found = attacker.run(host, SWEEP, &[place]);
    let looked = found
        .output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("looked at "))
        .unwrap();
    assert!(looked.parse::<u32>().unwrap() > 200, "{}", found.output);
    found
}

#[test]
fn no_secret_can_be_read_by_whatever_way() {
    let host = Host::start().unwrap();
    let bob = prepare(&host);
    for attacker in ALICE_INSIDE {
        nothing_is_read(&host, attacker);
    }
    // What has been moved, copied up or given away meanwhile is seen anew by the next instance.
    host.caddis("alice", &["stop", "default"]).run().ok();
    for attacker in ALICE_INSIDE {
        sweep(&host, attacker, "here").all_refused(0);
        sweep(&host, attacker, "nested").all_refused(0);
    }
    drop(bob);
}

/// The same attacks on a file that the attacker may read: they work inside, so it is the file's rights that make
/// the difference.
#[test]
fn the_attacks_on_secrets_work_on_what_may_be_read() {
    let host = Host::start().unwrap();
    // No overlay can be stacked on the two of a view, and mounting is for root.
    let tried = [
        (Attacker::Root("alice"), "here", vec!["overlay"]),
        (Attacker::Root("alice"), "nested", vec!["overlay"]),
        (
            Attacker::User("alice"),
            "here",
            vec!["bind mount", "overlay", "owner"],
        ),
        (Attacker::User("alice"), "nested", vec!["overlay", "owner"]),
    ];
    for (number, (attacker, place, useless)) in tried.iter().enumerate() {
        let directory = format!("/srv/open{number}/of/alice");
        host.sh(
            "root",
            &format!("mkdir -p {directory}; echo SECRET:open > {directory}/file.conf; chown -R alice /srv/open{number}"),
        )
        .ok();
        let path = format!("{directory}/file.conf");
        let found = attacker.run(&host, READ, &[place, &path]);
        let failed: Vec<&str> = found
            .attempts()
            .iter()
            .filter(|(_, result)| !result.starts_with("done"))
            .map(|(name, _)| name.rsplit(": ").next().unwrap())
            .collect();
        assert_eq!(failed, *useless, "{}", found.output);
    }

    // The sweep finds what there is: all of it as the host's root, one's own as bob.
    let _bob = prepare(&host);
    let root = sweep(&host, Attacker::Host("root"), "here");
    for path in SECRETS
        .iter()
        .chain(&["/tmp/hosts", "/var/tmp/hosts", "/dev/shm/hosts"])
    {
        assert!(root.result(path).starts_with("done"));
    }
    assert!(
        root.output.stdout.contains("SECRET:environment")
            && root.output.stdout.contains("SECRET:argument")
    );
    let bob = sweep(&host, Attacker::User("bob"), "here");
    for path in [
        "/tmp/bobs",
        "/var/tmp/bobs",
        "/dev/shm/bobs",
        "/etc/bobs.conf",
    ] {
        assert!(bob.result(path).starts_with("done"));
    }
}

/// What she may read on the host she may read inside, as herself and as root: by her group, by an access control
/// list. What a group or a list denies her stays denied, also to a root that is in no group.
#[test]
fn what_groups_and_access_control_lists_grant_or_deny_is_the_same_inside() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "cd /srv; umask 077
         for name in by-group by-list for-carol not-for-proj not-for-alice; do echo $name > $name; done
         chgrp proj by-group not-for-proj; chmod 640 by-group; chmod 604 not-for-proj
         setfacl -m u:alice:r by-list; setfacl -m u:carol:r for-carol; setfacl -m u:alice:---,g::r,o::r not-for-alice",
    )
    .ok();
    let readable = |attacker: Attacker| {
        let script = "cd /srv; cat by-group by-list for-carol not-for-proj not-for-alice proj/shared.txt 2>/dev/null; true";
        attacker
            .command(&host, &["bash", "-c", script])
            .run()
            .ok()
            .stdout
    };
    let expected = "by-group\nby-list\nshared by the project\n";
    for attacker in [
        Attacker::Host("alice"),
        Attacker::User("alice"),
        Attacker::Root("alice"),
    ] {
        assert_eq!(readable(attacker), expected, "{attacker:?}");
    }
    assert_eq!(
        readable(Attacker::Root("bob")),
        "not-for-proj\nnot-for-alice\n"
    );
}

#[test]
fn what_a_mount_covers_on_the_host_stays_covered_inside() {
    let host = Host::start().unwrap();
    let policy = host.read_text("/etc/caddis/policy.toml");
    let policy = policy.replace("\nhidden = []", "\nhidden = [\"/srv/kept/hidden\"]");
    host.write("/etc/caddis/policy.toml", policy, 0o644);
    host.sh(
        "root",
        "mkdir -p /srv/kept/hidden /srv/kept/disk /srv/kept/proc /srv/kept/file; cd /srv/kept
         for place in hidden disk proc; do echo SECRET:$place > $place/covered; done
         echo SECRET:file > file/covered; echo above > /opt/above
         mount -t tmpfs tmpfs disk; mount -t proc proc proc; mount --bind /opt/above file/covered; touch disk/new",
    )
    .ok();
    for attacker in ALICE_INSIDE {
        sweep(&host, attacker, "here").all_refused(0);
        sweep(&host, attacker, "nested").all_refused(0);
    }
    // What covers them shows, where there is something to be seen.
    let shown = "cd /srv/kept; cat file/covered; ls -A hidden disk; ls proc | grep -c self; true";
    let seen = host.inside("alice", shown).ok().stdout;
    assert_eq!(seen, "above\ndisk:\nnew\n\nhidden:\n0\n");
    // The mount points themselves cannot be moved, but what is above them can; the next instance finds them gone.
    host.inside_root("alice", "mv /srv/kept /srv/moved; ls /srv/moved")
        .ok();
    host.caddis("alice", &["stop", "default"]).run().ok();
    for attacker in ALICE_INSIDE {
        sweep(&host, attacker, "here").all_refused(0);
    }
}

//! Paths that the policy exposes, while an instance runs: what the host has there anew is seen by the next session, and
//! whatever container root makes of the names, nothing on the host is made, changed or mounted on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild};
use caddis_tests::attack::Attacker;
use caddis_tests::{Environments, State, attack};

const EXCHANGE: &str = attack!("exchange_mounted.py");

const OWN: &str = "/run/user/1000";

/// As logind does it: a new file system, with a file in it to know it by.
fn log_in(host: &Host, mark: &str) {
    let make = format!(
        "mkdir -p {OWN} && mount -t tmpfs -o mode=700,uid=1000,gid=1000 tmpfs {OWN} && touch {OWN}/{mark}"
    );
    host.sh("root", &make).ok();
}

fn log_out(host: &Host) {
    host.sh("root", &format!("umount -l {OWN} && rmdir {OWN}"))
        .ok();
}

fn keeper(host: &Host) -> HostChild {
    let mut keeper = host.session("alice", "echo in; read -r end");
    keeper.line();
    keeper
}

#[track_caller]
fn seen(host: &Host, path: &str) -> String {
    let listed = host.inside("alice", &format!("ls -A {path}"));
    assert_eq!(listed.stderr, "", "{listed}");
    listed.stdout
}

#[test]
fn what_a_login_makes_anew_is_seen_by_the_next_session() {
    let host = Host::start().unwrap();
    let _keeper = keeper(&host);
    let mounts = "grep -c ' /run/user/1000 ' /proc/self/mountinfo; true";
    assert_eq!(host.inside("alice", mounts).ok().text(), "0");
    for mark in ["first", "second", "third"] {
        log_in(&host, mark);
        let before = host.mounts();
        assert_eq!(seen(&host, OWN), format!("{mark}\n"));
        // Nothing of it is seen outside, and what was there before is let go.
        assert_eq!(host.mounts(), before);
        assert_eq!(host.inside("alice", mounts).ok().text(), "1");
        // Neither devices nor setuid programs.
        let options = format!("findmnt -no OPTIONS {OWN}");
        let options = host.inside("alice", &options).ok();
        assert!(options.stdout.contains("nosuid,nodev"), "{options}");
        // What is mounted below it later comes in.
        host.sh(
            "root",
            &format!("mkdir {OWN}/doc && mount -t tmpfs tmpfs {OWN}/doc && touch {OWN}/doc/below"),
        )
        .ok();
        assert_eq!(seen(&host, &format!("{OWN}/doc")), "below\n");
        // What the host has no more stays for who uses it.
        log_out(&host);
        assert!(seen(&host, OWN).contains(mark));
    }
}

#[test]
fn what_a_service_makes_anew_is_seen_by_the_next_session() {
    let host = Host::start().unwrap();
    host.policy(
        "[view]\nexpose = [\"/run/service\", \"/srv/socket\", \"/run/deep/er\", \"/run/closed\", \"/run/behind/open\"]\n",
    );
    let serve = || {
        let program = "import os, socket\nfor p in '/run/service', '/srv/socket':\n if os.path.lexists(p): os.unlink(p)\n socket.socket(socket.AF_UNIX).bind(p)";
        host.run("root", &["python3", "-c", program]).ok();
    };
    serve();
    let _keeper = keeper(&host);
    let number = |place: &str| format!("stat -c '%d %i' {place}/run/service {place}/srv/socket");
    let same = || {
        let outside = host.sh("root", &number("")).ok().stdout;
        assert_eq!(host.inside("alice", &number("")).ok().stdout, outside);
    };
    same();
    serve();
    same();
    // What is new, at any depth; and what the user cannot reach outside is not there inside either.
    host.sh("root", "mkdir -p /run/deep/er; touch /run/deep/er/x; mkdir -m 700 /run/closed /run/behind; mkdir /run/behind/open; \
         touch /run/closed/x /run/behind/open/x").ok();
    assert_eq!(seen(&host, "/run/deep/er"), "x\n");
    host.inside_root("alice", "ls /run/closed")
        .fails()
        .says("Permission denied");
    host.inside_root("alice", "ls /run/behind/open")
        .fails()
        .says("No such file");
}

/// What container root may have made of the names when the host has something new there.
const PREPARED: [&str; 10] = [
    "mv /run/user /run/former; ln -s /etc /run/user",
    "mv /run/user /run/former; ln -s /scratch /run/user",
    "mv /run/user /run/former; ln -s ../../../scratch /run/user",
    // Where the place would have to be made.
    "mv /run/user /run/former; ln -s /scratch/taken /run/user",
    "mv /run/user /run/former; touch /run/user",
    "mv /run/user /run/former; mkdir -m 0 /run/user",
    "rm -rf /run/user",
    "ln -s /root /run/user/1000",
    "ln -s /scratch/taken /run/user/1000",
    "touch /run/user/1000",
];

fn attacked() -> Host {
    let host = Host::builder()
        .memory("/scratch", "size=16m,mode=1777")
        .start()
        .unwrap();
    host.sh(
        "root",
        "mkdir -p /scratch/1000 /scratch/taken; chmod 777 /scratch/*",
    )
    .ok();
    host
}

/// All that could be touched on the host.
fn everything(host: &Host) -> String {
    let list = "find /scratch /root /etc /run/user -printf '%p %y %m %U:%G %T@ %C@ %l\\n' | sort";
    host.sh("root", list).ok().stdout + &host.mounts()
}

#[test]
fn no_name_of_container_roots_leads_to_the_host() {
    let host = attacked();
    for prepared in PREPARED {
        let keeper = keeper(&host);
        host.inside_root("alice", prepared).ok();
        log_in(&host, "mark");
        let before = everything(&host);
        let session = host.inside("alice", "id -u; cat /proc/self/mountinfo").ok();
        assert!(
            session.stdout.starts_with("1000\n"),
            "{prepared}: {session}"
        );
        // Nothing was mounted on what is passed through, inside either.
        for line in session.stdout.lines().skip(1) {
            let at = line.split(' ').nth(4).unwrap();
            assert!(
                !at.starts_with("/scratch/") && !at.starts_with("/etc"),
                "{prepared}: {line}"
            );
        }
        let own = |line: &str| line.starts_with("caddis: cannot expose /run/user/1000: ");
        assert!(session.stderr.lines().all(own), "{prepared}: {session}");
        assert_eq!(everything(&host), before, "{prepared}");
        log_out(&host);
        drop(keeper);
        host.sh("alice", "caddis stop").ok();
    }
    // The control: without any of that it is there.
    let _keeper = keeper(&host);
    log_in(&host, "mark");
    assert_eq!(seen(&host, OWN), "mark\n");
}

/// In a mount namespace of one's own in which nothing is mounted there, the names of mount points can be changed.
#[test]
fn a_name_that_was_given_to_another_mount_uncovers_nothing() {
    for other in ["hidden", "memory", "passed"] {
        let host = Host::builder()
            .memory("/srv/passed", "size=16m,mode=1777")
            .start()
            .unwrap();
        let make = "cd /srv; mkdir -p hidden memory exposed; echo secret | tee hidden/file memory/file; touch exposed/first passed/there";
        host.sh("root", make).ok();
        host.policy(
            "[view]\nhidden = [\"/srv/hidden\"]\nmemory = [\"/srv/memory\"]\nexpose = [\"/srv/exposed\"]\n",
        );
        let _keeper = keeper(&host);
        assert_eq!(seen(&host, "/srv/exposed"), "first\n");
        let words = ["srv/exposed", &format!("srv/{other}")];
        let found = Attacker::Root("alice").run(&host, EXCHANGE, &words);
        assert!(found.result("exchange").starts_with("done"), "{other}");
        // The control: the former one has another name.
        let mounts = "cut -d ' ' -f 5 /proc/self/mountinfo";
        let mounts = host.inside("alice", mounts).stdout;
        let kept = |at: &str| at == "/srv/exposed.kept";
        assert!(mounts.lines().any(kept), "{other}: {mounts}");
        let anew = "cd /srv; mv exposed before; mkdir exposed; touch exposed/second";
        host.sh("root", anew).ok();
        let before = host.sh("root", "find /srv | sort").ok().stdout + &host.mounts();
        let session = host.inside("alice", "cd /srv; cat */file; ls -A *");
        assert!(!session.stdout.contains("secret"), "{session}");
        // What the view itself has put there is not taken away for what is new.
        let taken_away = session.stdout.contains("second");
        assert_eq!(taken_away, other == "passed", "{session}");
        let after = host.sh("root", "find /srv | sort").ok().stdout + &host.mounts();
        assert_eq!(after, before, "{other}");
    }
}

/// Names change while they are looked up.
#[test]
fn names_that_change_all_the_time_lead_nowhere_either() {
    let host = attacked();
    let _keeper = keeper(&host);
    let swap = "echo on; cd /run; while :; do for there in /scratch /scratch/taken; do mv user a; ln -s $there user; rm user; mv a user; done; done 2>/dev/null";
    let mut swapping = host.caddis("alice", &["root", "bash", "-c", swap]).spawn();
    swapping.line();
    let before = host.sh("root", "find /scratch | sort").ok().stdout;
    for round in 0..30 {
        log_in(&host, "mark");
        let mounts = host.mounts();
        let session = host.inside("alice", "cat /proc/self/mountinfo").ok();
        for line in session.stdout.lines() {
            let at = line.split(' ').nth(4).unwrap();
            assert!(!at.starts_with("/scratch/"), "{round}: {line}");
        }
        assert_eq!(host.mounts(), mounts, "{round}");
        log_out(&host);
    }
    assert_eq!(host.sh("root", "find /scratch | sort").ok().stdout, before);
    swapping.kill(caddis_lab::Signal::KILL);
    swapping.wait();
}

//! What users make of their package database misleads nobody and holds nobody up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Signal};
use caddis_tests::packages::{When, admin, alice, healthy, host, packages, told};
use caddis_tests::{Environments, HELPER};

/// What the user puts in the place of the database neither hangs nor misleads anybody, and a session starts.
#[test]
fn a_database_that_is_none_is_left_alone_and_named() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(
        &host,
        "dpkg -i /srv/q_1.deb; cd /var/lib; mkdir dpkg.good; cp -a dpkg/status dpkg/lock dpkg.good",
    );
    let before = host.read("/etc/passwd");
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    let hostile = [
        ("mkfifo status", "is not a file"),
        ("ln -s /etc/passwd status", "cannot open"),
        (
            "ln -s /home/alice/status status; touch /home/alice/status",
            "cannot open",
        ),
        ("mkdir status", "is not a file"),
        ("mknod status c 1 3", ""),
        (": > status", "it is empty"),
        (
            "head -c 100000 /dev/urandom > status",
            "cannot be understood",
        ),
        ("head -c 1000 ../dpkg.good/status > status", "breaks off"),
        ("truncate -s 1T status", "is too large"),
        (
            "(cat ../dpkg.good/status; echo; cat ../dpkg.good/status) > status",
            "a package twice",
        ),
        (
            "cp ../dpkg.good/status .; rm lock; mkfifo lock",
            "is not a file",
        ),
        (
            "cp ../dpkg.good/status .; rm lock; ln -s /home/alice/lock lock",
            "cannot open",
        ),
        (
            "cp ../dpkg.good/status .; chmod 0 status; chown 33 status",
            "cannot open",
        ),
        (
            "cp ../dpkg.good/status .; mkdir status.caddis-new",
            "cannot write",
        ),
        (
            "cp ../dpkg.good/status .; mkfifo triggers/x",
            "is not a file",
        ),
        (
            "cp ../dpkg.good/status .; cd ..; mv dpkg dpkg.away; ln -s dpkg.away dpkg",
            "not a directory",
        ),
        (
            "cp ../dpkg.good/status .; cd ..; mv dpkg dpkg.away; cp -r dpkg.good /home/alice/dpkg; ln -s /home/alice/dpkg dpkg",
            "not a directory",
        ),
        (
            "cp ../dpkg.good/status .; cd ..; mv dpkg dpkg.away; mkfifo dpkg",
            "not a directory",
        ),
    ];
    for (number, (script, expected)) in hostile.iter().enumerate() {
        let reset = "cd /var/lib; if [ -e dpkg.away ]; then rm dpkg; mv dpkg.away dpkg; fi; cd dpkg; \
                     rm -rf status status.caddis-new lock triggers/x; cp ../dpkg.good/lock .";
        host.inside_root("alice", &format!("{reset}; {script}; true"))
            .ok();
        let version = 2 + number % 2;
        for when in [When::Running, When::Stopped] {
            admin(
                &host,
                &format!("dpkg -i /srv/p_{version}.deb; caddis admin refresh --quiet"),
            );
            if when == When::Stopped {
                admin(&host, "caddis admin stop --all");
                session = host.session("alice", "echo ready; read -r end");
                session.until("ready");
            }
            let told = told(&host);
            assert!(
                told.contains(expected) && (expected.is_empty() || told.contains("failed=")),
                "{script} {when:?}: {told}"
            );
            host.sh(
                "root",
                "test ! -s /home/alice/status && test ! -s /home/alice/lock",
            )
            .ok();
            assert_eq!(host.read("/etc/passwd"), before);
        }
    }
    // Back again.
    alice(
        &host,
        "cd /var/lib; rm dpkg; mv dpkg.away dpkg; cp -a dpkg.good/* dpkg",
    );
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    admin(&host, "dpkg -i /srv/p_3.deb; caddis admin refresh --quiet");
    assert_eq!(
        (packages(&host, "p q").as_str(), told(&host).as_str()),
        ("ii p 3\nii q 1\n", "")
    );
    healthy(&host);
}

/// Files beside the packages that cannot be understood are left as they are, and named.
#[test]
fn a_side_file_that_cannot_be_understood_is_left_and_named() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(
        &host,
        "dpkg -i /srv/q_1.deb; printf 'x\\ny\\n' > /var/lib/dpkg/diversions",
    );
    admin(
        &host,
        "caddis admin stop --all; dpkg -i /srv/p_3.deb; dpkg-divert --local --rename --add /usr/bin/lab-tool",
    );
    let status =
        "grep -A9 '^Package: p$' /var/lib/dpkg/status | grep Version; cat /var/lib/dpkg/diversions";
    assert_eq!(
        host.inside("alice", status).ok().stdout,
        "Version: 3\nx\ny\n"
    );
    assert_eq!(
        told(&host),
        "left=/var/lib/dpkg/diversions\treason=it cannot be understood: its last record is not complete\n"
    );
}

/// Whatever appears beside it is stopped before it has done anything. The kernel says the last id that it has given.
const STOP: &str = r"
import os, signal
print('ready', flush=True)
found = False
while True:
    last = int(open('/proc/loadavg').read().split()[4])
    for pid in range(os.getpid() + 1, last + 20):
        try: os.kill(pid, signal.SIGSTOP)
        except OSError: continue
        try: state = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0]
        except OSError: continue
        # One that was over before is none.
        if state == 'T' and not found:
            print('stopped', flush=True)
            found = True
";

/// Of alice's, in her environment.
fn stopper(host: &Host) -> HostChild {
    let stopper = ["root", "python3", "-c", STOP];
    let mut stopper = host.caddis("alice", &stopper).spawn();
    stopper.until("ready");
    stopper
}

#[test]
fn nobody_is_held_up_by_a_user_who_stops_the_merge() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb");
    let mut stopper = stopper(&host);
    // A merge may be over before it can be stopped.
    let until_stopped = format!(
        "dpkg -i /srv/p_3.deb; until {HELPER} packages --for 1000:1000 default | grep failed; do \
         touch /var/lib/dpkg/status; timeout 60 caddis admin refresh --quiet; done"
    );
    admin(&host, &until_stopped);
    stopper.until("stopped");
    assert_eq!(
        told(&host),
        "failed=the merge was interrupted, or took too long\n"
    );
    stopper.kill(Signal::TERM);
    stopper.wait();
    admin(&host, "caddis admin refresh --quiet");
    assert_eq!(packages(&host, "p q"), "ii p 3\nii q 1\n");
    healthy(&host);
}

#[test]
fn the_watcher_is_not_held_up_by_a_user_who_stops_the_merge() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb");
    let mut stopper = stopper(&host);
    let mut watcher = host.spawn("root", "exec caddis admin watch --verbose");
    watcher.until(" for what happened before\n");
    // A merge may be over before it can be stopped.
    let mut again = host.spawn(
        "root",
        "while :; do touch /var/lib/dpkg/status; sleep 1; done",
    );
    stopper.until("stopped");
    // Who would give up on it after some seconds cannot.
    host.sh("root", "pkill -STOP -f '^/proc/self/exe packages '")
        .ok();
    again.kill(Signal::KILL);
    again.wait();
    admin(&host, "touch /opt/later");
    watcher.until("/opt/later");
    let go_on = "pkill -CONT -f '^/proc/self/exe packages '";
    host.sh("root", go_on).ok();
    stopper.kill(Signal::TERM);
    stopper.wait();
    watcher.kill(Signal::TERM);
    watcher.wait();
}

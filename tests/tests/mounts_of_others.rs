//! File systems that other users' programs answer for, mounted where all can see them: they delay
//! nobody else, and nothing waits for them. `tests/attacks/silent.py` mounts those that never
//! answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, HostChild, Output};
use caddis_tests::attack::{DIRECTORY, install};
use caddis_tests::login::called;
use caddis_tests::watcher::watch;
use caddis_tests::{Environments, HELPER, State};
use std::time::Duration;

/// Longer than anything here takes, and shorter than the kernel's patience.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host on which bob has `/srv/bob`, and the program that mounts.
fn host() -> Host {
    prepared(Host::start().unwrap())
}

fn prepared(host: Host) -> Host {
    let silent = ("silent.py", include_str!("../attacks/silent.py"));
    let keeping = ("keeping.py", include_str!("../attacks/keeping.py"));
    install(&host, &[silent, keeping]);
    host.sh("root", "install -d -o bob -g bob /srv/bob").ok();
    host
}

/// Mounts file systems of this user's that never answer. They stay for as long as the child does.
fn mount(host: &Host, uid: u32, paths: &str) -> HostChild {
    let mut child = host.spawn(
        "root",
        &format!("python3 {DIRECTORY}/silent.py {uid} {paths}"),
    );
    child.until("mounted\n");
    child
}

/// A command that must come to its end although something does not answer.
#[track_caller]
fn ends(host: &Host, user: &str, arguments: &[&str]) -> Output {
    host.caddis(user, arguments).deadline(PATIENCE).run().ok()
}

/// Alice's plan, as a dry run prints it.
fn plan(host: &Host) -> String {
    ends(host, "alice", &["run", "--dry-run", "true"]).stdout
}

/// How many system calls that name a file one start of alice's makes.
fn calls(host: &Host) -> u64 {
    host.sh("alice", "caddis stop; true").ok();
    let script = "strace -f -u alice -o /srv/trace -e trace=%file,openat2,statx,mkdirat,fchownat caddis run true > /dev/null 2>&1 \
                  && grep -vc -e resumed -e exited /srv/trace";
    host.sh("root", script).ok().text().parse().unwrap()
}

/// Every verb of Caddis that builds a view, reads one or walks the host, for alice and for root.
fn everything_works(host: &Host) {
    let in_it = ends(
        host,
        "alice",
        &["root", "sh", "-c", "echo mine > /etc/motd; cat /etc/motd"],
    );
    assert_eq!((in_it.text(), in_it.stderr.as_str()), ("mine", ""));
    // A session that joins, in the instance that lingers.
    assert_eq!(
        ends(host, "alice", &["run", "cat", "/etc/motd"]).text(),
        "mine"
    );
    assert!(ends(host, "alice", &["diff"]).stdout.contains("/etc/motd"));
    ends(host, "alice", &["list"]);
    ends(host, "root", &["admin", "list"]);
    ends(host, "root", &["admin", "refresh", "--full"]);
    ends(host, "root", &["admin", "sessions", "--stale"]);
    ends(host, "alice", &["revert", "--yes", "/etc/motd"]);
    ends(host, "alice", &["try", "--discard", "true"]);
    ends(host, "alice", &["stop"]);
    let login = called(
        host,
        "alice",
        "/usr/local/bin/caddis-login",
        "-caddis-login",
        &["-c", "echo in"],
    );
    assert_eq!(login.deadline(PATIENCE).run().ok().text(), "in");
    ends(host, "root", &["admin", "stop", "--all"]);
}

/// On the old code every start and every `diff` failed with "File name too long", the front layer's
/// path being longer than that of the mount, or waited for bob's program before it came to that.
#[test]
fn a_path_as_long_as_the_kernel_takes_keeps_nobody_out() {
    let host = host();
    let before = plan(&host);
    // 4094 bytes: /srv/bob, then directories of 200.
    let script = "import os
os.setresgid(1001, 1001, 1001); os.setresuid(1001, 1001, 1001)
path = '/srv/bob'
while len(path) < 4094:
    path += '/' + 'd' * min(200, 4093 - len(path))
    os.mkdir(path)
print(path)";
    let made = host.command("root", &["python3", "-"]).stdin(script).run();
    let path = made.ok().text().to_owned();
    assert_eq!(path.len(), 4094);
    let _bobs = mount(&host, 1001, &path);
    everything_works(&host);
    assert_eq!(plan(&host), before);
}

/// On the old code ten deep mounts made a start take sixty times as long: the front layer had each
/// of their directories, and each was looked up by its whole path.
#[test]
fn mounts_of_others_cost_a_start_no_system_call() {
    let host = host();
    // strace waits for process 1.
    host.policy("[session]\nlinger = \"0\"\n");
    calls(&host);
    let (before, few) = (plan(&host), calls(&host));
    let deep = format!("/srv/bob/{}", "d/".repeat(150));
    host.sh(
        "bob",
        &format!("for n in $(seq 10); do mkdir -p {deep}m$n; done"),
    )
    .ok();
    let all: String = (1..=10).map(|n| format!(" {deep}m{n}")).collect();
    let _bobs = mount(&host, 1001, &all);
    assert_eq!(plan(&host), before);
    assert_eq!(calls(&host), few);
}

/// On the old code the start waited in the kernel for bob's program, as root, for as long as bob
/// liked.
#[test]
fn a_server_of_somebody_elses_that_never_answers_holds_nobody_up() {
    let host = host();
    host.sh(
        "root",
        "install -d -o bob /var/bobs /usr/share/bobs; mkdir -p /srv/bob/deep/er",
    )
    .ok();
    let mut watcher = watch(&host);
    let _bobs = mount(&host, 1001, "/srv/bob /var/bobs /usr/share/bobs");
    everything_works(&host);
    host.sh("root", "touch /opt/seen").ok();
    watcher.until("/opt/seen");
    // Inside, what lies under the mounts shows, with alice's rights.
    let seen = ends(&host, "alice", &["run", "ls", "/srv/bob"]);
    assert_eq!(seen.text(), "deep");
}

/// A mount of root's below one of bob's is left out as well, also where the policy names a path
/// there.
#[test]
fn what_is_mounted_below_a_silent_server_is_passed_over() {
    let host = prepared(
        Host::builder()
            .disk("/srv/bob/sub/disk", FileSystem::Ext4, "20M")
            .start()
            .unwrap(),
    );
    host.sh(
        "root",
        "chown bob /srv/bob/sub; mkdir /srv/bob/sub/disk/hidden /srv/bob/sub/place",
    )
    .ok();
    host.policy("[view]\nhidden = [\"/srv/bob/sub/disk/hidden\"]\nmemory = [\"/tmp\", \"/srv/bob/sub/place\"]\n");
    let mut watcher = watch(&host);
    let _bobs = mount(&host, 1001, "/srv/bob/sub");
    everything_works(&host);
    host.sh("root", "touch /opt/seen").ok();
    watcher.until("/opt/seen");
}

/// A path that the policy exposes may be anybody's to mount on.
#[test]
fn an_exposed_path_that_does_not_answer_is_left_out() {
    let host = host();
    host.policy("[view]\nexpose = [\"/srv/bob/socket\", \"/run/user/{uid}\"]\n");
    host.sh(
        "root",
        "mkdir -p /run/user; install -d -m 700 -o alice /run/user/1000; touch /run/user/1000/here",
    )
    .ok();
    let _bobs = mount(&host, 1001, "/srv/bob");
    for _ in 0..2 {
        let seen = host.caddis("alice", &["run", "ls", "/run/user/1000"]);
        assert_eq!(seen.deadline(PATIENCE).run().ok().text(), "here");
    }
}

/// On the old code the start hung in a process of root's, which alice could not end.
#[test]
fn a_home_directory_that_does_not_answer_is_named_and_left_out() {
    let host = host();
    host.sh("root", "install -d -o alice /srv/alices/home").ok();
    let _home = mount(&host, 1000, "/srv/alices/home");
    let session = [
        HELPER,
        "session",
        "--home",
        "/srv/alices/home",
        "--",
        "echo",
        "in",
    ];
    let start = || {
        host.command("alice", &session)
            .deadline(PATIENCE)
            .run()
            .ok()
    };
    let started = start();
    assert_eq!(started.text(), "in");
    started.says("cannot use the home directory /srv/alices/home: its file server does not answer");
    // One that joins does not ask for it.
    assert_eq!(start().text(), "in");
}

/// The process that asks for alice's home hangs in the kernel, where SIGKILL has no effect. On the
/// old code it kept all descriptors of the helper that had started it: the lock of the instance, and
/// the caller's standard output, whose reader waited for its end.
#[test]
fn a_process_that_no_signal_ends_keeps_no_lock() {
    let host = host();
    // In a place that no view shows: process 1 does not ask for what is mounted there.
    host.sh(
        "root",
        "install -d -o alice /tmp/alices/home /tmp/alices/other",
    )
    .ok();
    let mut home = host.spawn(
        "root",
        &format!("python3 {DIRECTORY}/keeping.py 1000 /tmp/alices/home"),
    );
    home.until("mounted\n");
    let start = |home: &str| {
        let words = [HELPER, "session", "--home", home, "--", "echo", "in"];
        let started = host.command("alice", &words).deadline(PATIENCE).run();
        assert_eq!(started.ok().text(), "in");
    };
    let hang = || {
        host.sh("root", "ps -eo stat=,uid= | grep -c '^D.* 1000$'")
            .stdout
    };
    let starts = || start("/tmp/alices/home");
    starts();
    assert_ne!(hang().trim(), "0", "nothing hangs");
    start("/tmp/alices/other");
    ends(&host, "alice", &["run", "true"]);
    ends(&host, "alice", &["stop"]);
    starts();
    ends(&host, "alice", &["remove", "--force", "--yes", "default"]);
    starts();
    let words = "admin remove --force --yes --user alice default";
    ends(&host, "root", &words.split(' ').collect::<Vec<_>>());
    assert_eq!(ends(&host, "alice", &["list", "--json"]).text(), "[]");
    assert_ne!(hang().trim(), "0", "nothing hangs any more");
}

/// Paths of root's own mounts may be as long and as deep as the kernel takes them.
#[test]
fn long_and_deep_mounts_of_roots_are_seen_or_left_out_with_a_word() {
    let host = Host::start().unwrap();
    let deep = format!("/srv/{}end", "d/".repeat(1200));
    let long = format!("/srv/{}/{}", "x".repeat(200), "y".repeat(200));
    host.sh("root", &format!("mkdir -p {deep} {long} /srv/disk; truncate -s 20M /srv/image; mkfs.ext4 -q /srv/image; mount /srv/image /srv/disk; touch /srv/disk/file; mount -t tmpfs none {deep}; mount --bind /srv/disk {long}; touch {deep}/file")).ok();
    let seen = host.caddis(
        "alice",
        &["run", "sh", "-c", &format!("ls {deep}; ls {long}; true")],
    );
    let seen = seen.deadline(PATIENCE).run().ok();
    // The layer of its changes would need a longer name than a file can have.
    assert_eq!(seen.text(), "file", "{seen}");
    seen.says("leave out");
}

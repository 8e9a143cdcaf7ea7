//! When nothing runs, nothing is left in `/run` or beside the environments, however many requests a
//! user makes, and whatever is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::{Environments, HELPER, State};

/// A host whose `/run` has room for few files, and whose instances end with their last session.
fn host() -> Host {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"0\"\n");
    host.sh("root", "mount -t tmpfs -o nr_inodes=200,mode=755 none /run")
        .ok();
    host
}

/// What lies in `/run/caddis`, but for the one file that says where environments lie.
fn left(host: &Host) -> String {
    host.sh(
        "root",
        "find /run/caddis -mindepth 1 ! -path /run/caddis/.state | sort",
    )
    .stdout
}

/// A directory that stays for each name a user asks for would use up the inodes of `/run`. On the
/// old code, `/run/caddis/1000` stayed.
#[test]
fn requests_leave_nothing_in_run() {
    let host = host();
    let script = format!(
        "for i in {{1..100}}; do {HELPER} new e$i; {HELPER} try e$i --check; done; \
         for i in {{1..20}}; do {HELPER} new c$i --from e$i; {HELPER} stop e$i; {HELPER} revert --env e$i -- /opt; \
             {HELPER} try missing$i --check; {HELPER} remove missing$i; {HELPER} new x$i --from missing$i; done; \
         for i in {{1..100}}; do {HELPER} remove e$i; done; true"
    );
    host.sh("alice", &script).ok();
    host.sh("root", "mkdir /run/sshd").ok();
    assert_eq!(left(&host), "");
}

/// On the old code, each instance that had ever run left four files.
#[test]
fn ended_instances_are_swept_by_the_next_request_of_their_user() {
    let host = host();
    let mut session = host.session("alice", "echo in; read line");
    session.line();
    host.sh("bob", "caddis run true").ok();
    let run = "for i in {1..60}; do caddis run -e e$i true || exit; done";
    host.sh("alice", run).ok();
    host.sh("root", "mkdir /run/sshd").ok();
    eventually("only the session's instance runs", || {
        host.count("^caddis-init") == 1
    });
    // Each request that starts or manages something does it.
    let kept = "/run/caddis/1000\n/run/caddis/1000/default\n/run/caddis/1000/default/init\n\
                /run/caddis/1000/default/lock\n/run/caddis/1000/default/of\n\
                /run/caddis/1000/default/sessions\n";
    for request in [
        "stop e1",
        "new again",
        "remove again",
        "revert --env e1 --dry-run -- /opt",
        "try e1 --check",
    ] {
        host.sh("alice", "caddis run -e e1 true").ok();
        eventually("it has ended", || host.count("^caddis-init") == 1);
        host.sh("alice", &format!("{HELPER} {request}"));
        let left = left(&host);
        let alices = left.lines().filter(|line| !line.contains("/1001"));
        let alices: String = alices.map(|line| format!("{line}\n")).collect();
        assert_eq!(alices, kept, "{request}");
    }
    // Another user's go with a refresh.
    assert!(left(&host).contains("/run/caddis/1001/default/lock"));
    host.sh("root", "caddis admin refresh").ok();
    let refreshed = "/run/caddis/1000/default/refreshed\n";
    assert_eq!(left(&host).replace(refreshed, ""), kept);
    session.send("end\n");
    session.wait().ok();
    host.sh("alice", "caddis stop --all").ok();
    assert_eq!(left(&host), "");
}

/// A try needs its note until it is kept or discarded, and nothing after that.
#[test]
fn a_try_leaves_nothing_once_it_is_decided() {
    let host = host();
    for word in ["--keep", "--discard"] {
        let script = format!(
            "{HELPER} session --try -- true; while pgrep caddis-init > /dev/null; do :; done; {HELPER} try default --check && \
             {HELPER} try default {word}"
        );
        host.sh("alice", &script).ok();
        assert_eq!(left(&host), "", "{word}");
    }
}

/// A process that is killed while it removes the directory does not block the next request.
#[test]
fn a_killed_removal_is_finished_by_the_next_request() {
    let host = host();
    let mut killed = 0;
    for number in 1..12 {
        host.inside("alice", "true").ok();
        let stop = host
            .caddis_killed_at("alice", "unlinkat", number, &["stop"])
            .run();
        killed += u32::from(stop.code() != 0);
        host.inside("alice", "true").ok();
        host.sh("alice", "caddis stop").ok();
        assert_eq!(left(&host), "", "killed at {number}");
    }
    assert!(killed >= 6, "{killed}");
}

/// Some remove the directory, others are about to use it.
#[test]
fn who_waits_for_a_lock_that_is_removed_takes_the_next() {
    let host = host();
    host.sh("alice", "caddis new default; caddis new other")
        .ok();
    let script = format!(
        "runs() {{ for i in {{1..30}}; do caddis run true || echo failed to run; done; }}; \
         looks() {{ for i in {{1..60}}; do {HELPER} try default --check; done; }}; \
         copies() {{ for i in {{1..30}}; do {HELPER} new $1$i --from default; {HELPER} remove $1$i; done; }}; \
         runs & runs & looks 2>&1 & copies a 2>&1 & copies b 2>&1 & wait"
    );
    let output = host.sh("alice", &script).ok();
    for line in output.stdout.lines() {
        let known = [
            "caddis: cannot find a try of the environment \"default\": there is none",
            "  hint: ",
            "caddis: cannot copy the environment \"default\": sessions are running in it",
            "caddis: cannot decide about the try of the environment \"default\": sessions are running in it",
            // Nobody has made the copy.
            "caddis: cannot find the environment \"a",
            "caddis: cannot find the environment \"b",
        ];
        assert!(
            known.iter().any(|known| line.starts_with(known)),
            "{line}\n{output}"
        );
    }
    host.sh("alice", "caddis stop --all").ok();
    eventually("nothing runs", || host.count("^caddis-init") == 0);
    host.sh("alice", "caddis stop --all").ok();
    assert_eq!(left(&host), "");
}

/// Each writer may be killed before its file has its name. On the old code, each left a file of
/// root's for ever.
#[test]
fn killed_writers_leave_files_for_a_moment_only() {
    let host = host();
    let unfinished = "cd /var/lib/caddis; find env/1000 packages /run/caddis -maxdepth 1 \
                      \\( -name '.account.?*' -o -name '.new-?*' -o -name '.state.?*' \\) -printf '%U %p\\n' 2> /dev/null";
    let unfinished = || host.sh("root", unfinished).stdout;
    host.inside("alice", "true").ok();
    for (made, name) in [
        ("/var/lib/caddis/env/1000/.account", "/.account."),
        ("/var/lib/caddis/packages", "/.new-"),
        ("/run/caddis/.state", "/.state."),
    ] {
        let mut left = String::new();
        for number in 1..7 {
            host.sh(
                "root",
                &format!("caddis stop --user alice --all; rm -r {made}"),
            )
            .ok();
            let calls = "fsync,renameat,renameat2";
            host.caddis_killed_at("alice", calls, number, &["run", "true"])
                .run();
            left.push_str(&unfinished());
            host.sh("alice", "caddis stop --all").ok();
            host.inside("alice", "true").ok();
            assert_eq!(unfinished(), "", "{name} {number}");
        }
        // Some were hit, while the files were still the user's.
        let hit = |line: &str| line.contains(name) && !line.starts_with("0 ");
        assert!(left.lines().any(hit), "{name}: {left}");
    }
}

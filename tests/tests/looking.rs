//! A process that is looked at does not decide what the look costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, eventually};
use caddis_tests::Environments;

const LOOK: &str = concat!(
    include_str!("../attacks/common.py"),
    "\n",
    include_str!("../attacks/look.py")
);

const PROGRAM: &str = "/usr/local/bin/look";

fn host() -> Host {
    let host = Host::start().unwrap();
    host.write(PROGRAM, format!("#!/usr/bin/python3\n{LOOK}"), 0o755);
    host
}

fn start(host: &Host, user: &str, words: &[&str]) -> HostChild {
    let mut child = host.caddis(user, words).spawn();
    child.until("ready");
    child
}

/// The calls that a command of root's makes, and the bytes that it reads.
fn cost(host: &Host, command: &str) -> (usize, usize) {
    // The machine has more memory, but not without end.
    let trace = format!("ulimit -v 1000000; strace -qq -f -o /root/trace {command}");
    host.sh("root", &trace).ok();
    let number = |script: &str| {
        let counted = host.sh("root", &format!("{script} /root/trace")).ok();
        counted.text().parse().unwrap()
    };
    let read = "awk '/ (read|pread64)\\(/ { sum += $NF } END { print sum + 0 }'";
    (number("grep -c ''"), number(read))
}

/// A process moves its command line to 4 GiB of memory that it does not take up. On the old code
/// root's look read all of it, or as much as it had memory for.
#[test]
fn a_command_line_without_end_is_read_in_part() {
    let host = host();
    let _endless = start(&host, "alice", &["run", PROGRAM, "command"]);
    let mut bobs = host.session("bob", "echo ready; exec sleep 4711");
    bobs.until("ready");
    for look in ["caddis admin ps", "caddis admin sessions"] {
        let seen = host.sh("root", &format!("ulimit -v 1000000; {look}")).ok();
        assert!(seen.stdout.contains("sleep 4711"), "{look}");
        assert!(seen.stdout.len() < 1 << 20, "{look}");
        let (_, read) = cost(&host, look);
        assert!(read < 4_000_000, "{look}: {read} bytes");
    }
    for user in ["alice", "bob"] {
        let seen = host.sh(user, "ulimit -v 1000000; caddis ps").ok();
        assert_eq!(seen.stdout.lines().count(), 2, "{user}");
    }
}

/// The kernel writes down every group of a process for somebody who reads the first byte of its
/// status. On the old code 100 processes with 65,536 groups each were 72 MB to read, for everybody
/// who listed processes.
#[test]
fn groups_of_others_are_not_read() {
    let host = host();
    let _groups = start(&host, "alice", &["root", PROGRAM, "groups", "100"]);
    for look in [
        "caddis admin ps",
        "caddis admin list",
        "caddis admin sessions",
    ] {
        let (_, read) = cost(&host, look);
        assert!(read < 4_000_000, "{look}: {read} bytes");
    }
}

/// Processes with an id of alice's range, each the child of the one before. On the old code each was
/// followed to the first one: 93,000 calls for 129 processes.
#[test]
fn a_chain_of_processes_is_walked_once() {
    let host = host();
    let _session = host.session("alice", "echo ready; exec sleep infinity");
    let uid = (0x8000_0000_u32 + 5000).to_string();
    let started = format!("exec unshare -pf --kill-child {PROGRAM} chain 120 {uid}");
    let _chain = host.spawn("root", &started);
    eventually("all are seen", || {
        let listed = host.run("root", &["caddis", "admin", "ps"]).ok();
        listed.stdout.matches(PROGRAM).count() == 121
    });
    let (calls, _) = cost(&host, "caddis admin ps");
    let processes = host.sh("root", "ls /proc | grep -c '^[0-9]'").ok();
    let processes: usize = processes.stdout.trim().parse().unwrap();
    assert!(
        calls < 2000 + 40 * processes,
        "{calls} calls for {processes} processes"
    );
}

/// The kernel names each file that an epoll descriptor waits for. On the old code all of these names
/// were read, for each such descriptor.
#[test]
fn descriptors_that_say_a_lot_are_not_asked() {
    let host = host();
    let _watches = start(&host, "alice", &["run", PROGRAM, "watches", "50000"]);
    let (_, read) = cost(&host, "caddis admin sessions --stale");
    assert!(read < 2_000_000, "{read} bytes");
}

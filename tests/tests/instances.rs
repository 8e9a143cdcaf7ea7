//! The life of an environment: shared by its sessions, ended with the last of them, whatever was killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Signal, eventually};
use caddis_tests::{Environments, State};
use std::collections::{BTreeMap, BTreeSet};

const NAMESPACES: &str = "readlink /proc/self/ns/{cgroup,ipc,mnt,net,pid,user,uts}";
/// When process 1 was started, in clock ticks.
const BIRTH: &str = "cut -d ' ' -f 22 /proc/1/stat";

/// A session that stays until its standard input ends, with its first line read.
fn stays(host: &Host, before: &str) -> (HostChild, String) {
    let mut session = host.session("alice", &format!("{before}; cat > /dev/null"));
    let line = session.line();
    (session, line)
}

#[test]
fn sessions_of_one_environment_share_it_and_nothing_else() {
    let host = Host::start().unwrap();
    let (mut first, _) = stays(
        &host,
        &format!("echo; {NAMESPACES}; sleep infinity & echo $!; echo shared > /tmp/f"),
    );
    let namespaces: Vec<String> = (0..7).map(|_| first.line()).collect();
    let sleeper = first.line();
    host.comes_to("^sleep infinity$", 1);
    let second = host
        .inside(
            "alice",
            &format!("{NAMESPACES}; cat /tmp/f /proc/{sleeper}/comm; kill {sleeper}"),
        )
        .ok();
    let expected = format!("{}\nshared\nsleep\n", namespaces.join("\n"));
    assert_eq!(second.stdout, expected);
    let outside = host.sh("alice", NAMESPACES).ok();
    let others = host
        .sh(
            "alice",
            &format!("caddis run -e other bash -c '{NAMESPACES}'"),
        )
        .ok();
    let bobs = host.inside("bob", NAMESPACES).ok();
    for other in [&outside, &others, &bobs] {
        for (mine, theirs) in namespaces.iter().zip(other.stdout.lines()) {
            // The network is the host's in all of them.
            assert_eq!(
                mine == theirs,
                mine.starts_with("net:"),
                "{mine} and {theirs}"
            );
        }
        assert_eq!(other.stdout.lines().count(), 7);
    }
    host.sh("alice", "caddis run -e other cat /tmp/f").fails();
    assert!(!host.exists("/tmp/f"));
    first.close_stdin();
    first.wait().ok();
}

#[test]
fn a_thousand_joins_at_once_all_succeed_in_one_instance() {
    let host = Host::start().unwrap();
    // The first of them starts it: nothing runs yet.
    let script = format!("for i in {{1..1000}}; do caddis run {BIRTH} || echo failed & done; wait");
    let output = host.sh("alice", &script).ok();
    let births: BTreeSet<&str> = output.stdout.lines().collect();
    assert_eq!(
        (births.len(), output.stdout.lines().count()),
        (1, 1000),
        "{output}"
    );
    assert!(
        births.iter().all(|birth| birth.parse::<u64>().is_ok()),
        "{output}"
    );
    assert_eq!(output.stderr, "");
}

#[test]
fn starts_and_ends_that_meet_do_no_harm() {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"0\"\n");
    // Each may find an instance that ends under its feet; each must wait for it and start a new one.
    let script = "for i in {1..150}; do caddis root bash -c \"echo x >> /etc/motd; touch /opt/$i\" || echo failed & done; wait";
    let output = host.sh("alice", script).ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    let all = host
        .inside("alice", "ls /opt | wc -l; grep -c ^x$ /etc/motd")
        .ok();
    assert_eq!(all.stdout, "150\n150\n");
    assert_eq!(host.sh("root", "grep -c ^x$ /etc/motd").text(), "0");
}

#[test]
fn an_instance_lingers_after_its_last_session_and_is_joined_again() {
    let host = Host::start().unwrap();
    assert_eq!(host.first_process(1000, "default"), None);
    let birth = host.inside("alice", &format!("touch /tmp/f; {BIRTH}")).ok();
    let first = host.first_process(1000, "default");
    assert!(first.is_some());
    let again = host.inside("alice", &format!("ls /tmp; {BIRTH}")).ok();
    assert_eq!(again.stdout, format!("f\n{}", birth.stdout));
    assert_eq!(host.first_process(1000, "default"), first);
    let list = host.caddis("alice", &["list", "--json"]).run().ok();
    assert!(list.stdout.contains("\"state\": \"idle\""), "{list}");
}

#[test]
fn without_linger_an_instance_ends_with_its_last_session() {
    let host = Host::start().unwrap();
    let before = host.mounts();
    for linger in ["0", "50ms"] {
        host.policy(&format!("[session]\nlinger = \"{linger}\"\n"));
        host.inside("alice", "touch /tmp/f").ok();
        eventually("process 1 ends", || host.count("caddis-init") == 0);
        assert_eq!(host.first_process(1000, "default"), None);
        // What was in memory went with it.
        assert_eq!(host.inside("alice", "ls -A /tmp").ok().stdout, "");
    }
    eventually("nothing runs", || host.count("caddis-init") == 0);
    assert_eq!(host.mounts(), before);
}

/// Starts daemons of all kinds; each has the given word in its command line.
fn daemons(word: &str) -> String {
    let sleep = format!("exec -a {word} sleep infinity");
    format!(
        "setsid bash -c '{sleep}' & nohup bash -c '{sleep}' & ( ( trap '' HUP TERM INT; {sleep} ) & ) & \
         setsid --fork setsid --fork bash -c '{sleep}' < /dev/null > /dev/null 2>&1; \
         unshare -Urpf bash -c '{sleep}' & (kill -STOP $BASHPID; {sleep}) & disown -a; \
         until [ \"$(pgrep -fc '^{word} infinity')\" = 5 ]; do :; done; echo started"
    )
}

#[test]
fn the_process_tree_ends_with_the_last_session_daemons_too() {
    let host = Host::start().unwrap();
    let (mut other, _) = stays(&host, "echo");
    host.inside("alice", &daemons("lab-daemon")).ok();
    host.sh("alice", "caddis run -e other true").ok();
    // Another session is there: they go on.
    assert_eq!(host.count("^lab-daemon infinity"), 5);
    assert_eq!(
        host.inside("alice", "pgrep -fc '^lab-daemon infinity'")
            .ok()
            .text(),
        "5"
    );
    other.close_stdin();
    other.wait().ok();
    eventually("the daemons have ended", || {
        host.count("^lab-daemon infinity") == 0
    });
    // So have those that started them, all killed in one sweep.
    eventually("nothing is left of them", || {
        let left = host.caddis("alice", &["ps", "--json"]).run().ok();
        left.text() == "[]"
    });
    // The caller did not wait for the daemons, and they hold nothing of the next session: process 1 and a shell.
    eventually("the dead are reaped", || {
        host.inside("alice", "pgrep -c .; :").ok().text() == "2"
    });
}

#[test]
fn a_killed_session_ends_its_command_and_no_other() {
    let host = Host::start().unwrap();
    let (mut other, _) = stays(&host, "echo");
    let mut session = host.session(
        "alice",
        "trap '' TERM HUP INT; echo $$; exec -a lab-command sleep infinity",
    );
    session.line();
    let outer = session.pid_in_host();
    eventually("it runs", || host.count("^lab-command") == 1);
    host.sh("root", &format!("kill -9 {outer}")).ok();
    session.wait().exits(137);
    eventually("the command has ended", || host.count("^lab-command") == 0);
    assert!(!other.has_ended());
    other.close_stdin();
    other.wait().ok();
    // The last session may be killed, too: it counts no more.
    let (mut last, _) = stays(&host, &daemons("lab-daemon"));
    last.kill(Signal::KILL);
    last.wait().exits(137);
    eventually("the daemons have ended", || {
        host.count("^lab-daemon infinity") == 0
    });
    host.inside("alice", "true").ok();
}

#[test]
fn a_killed_command_and_a_killed_process_1_leave_a_clean_host() {
    let host = Host::start().unwrap();
    let before = host.mounts();
    let mut session = host.session("alice", "echo $$; exec -a lab-command sleep infinity");
    session.line();
    eventually("it runs", || host.count("^lab-command") == 1);
    host.sh("root", "pkill -9 -f ^lab-command").ok();
    session.wait().exits(137);

    host.inside_root("alice", "echo mine > /etc/motd; sync")
        .ok();
    let (session, _) = stays(&host, &format!("{}; echo", daemons("lab-daemon")));
    let first = host.first_process(1000, "default").unwrap();
    // Nobody inside can do it, nor the user outside.
    host.inside_root("alice", "kill -9 1; kill -STOP 1; :").ok();
    host.sh("alice", &format!("kill -9 {first}"))
        .fails()
        .says("not permitted");
    assert_eq!(host.first_process(1000, "default"), Some(first));
    host.sh("root", &format!("kill -9 {first}")).ok();
    eventually("it is gone", || !host.exists(&format!("/proc/{first}")));
    session.wait().exits(137);
    assert_eq!(host.count("^lab-daemon infinity"), 0);
    assert_eq!(host.inside("alice", "cat /etc/motd").ok().text(), "mine");
    let next = host.first_process(1000, "default");
    assert!(next.is_some() && next != Some(first));
    host.caddis("alice", &["stop"]).run().ok();
    assert_eq!(host.count("caddis-init"), 0);
    assert_eq!(host.mounts(), before);
}

/// Every system call that a traced start makes, with how many of it each of its processes makes at most.
fn calls_of_a_start(host: &Host) -> Vec<(String, u32)> {
    let trace = "strace -f -u alice -o /root/trace caddis run true";
    host.sh("root", trace).ok();
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let text = host.read_text("/root/trace");
    for line in text.lines() {
        let (pid, call) = line.split_once(' ').unwrap();
        let name = call.trim().split('(').next().unwrap();
        if name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            *counts.entry((name, pid)).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, u32> = BTreeMap::new();
    for ((name, _), count) in counts {
        let known = most.entry(name.to_owned()).or_default();
        *known = count.max(*known);
    }
    most.into_iter().collect()
}

#[test]
fn a_start_killed_at_any_moment_is_cleaned_up_by_the_next() {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"0\"\n");
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    eventually("nothing runs", || host.count("caddis-init") == 0);
    let before = host.mounts();
    let calls = calls_of_a_start(&host);
    let moments: Vec<(&str, u32)> = calls
        .iter()
        .flat_map(|(name, count)| (1..=*count).map(move |number| (name.as_str(), number)))
        .collect();
    assert!(moments.len() > 150, "{calls:?}");
    // All of them take too long; a prime step meets every kind of call early, midway and late.
    for (call, number) in moments.into_iter().step_by(5) {
        host.caddis_killed_at("alice", call, number, &["run", "true"])
            .run();
        let next = host.inside("alice", "cat /etc/motd").ok();
        assert_eq!(
            (next.text(), next.stderr.as_str()),
            ("mine", ""),
            "after {call} {number}"
        );
    }
    eventually("nothing runs", || {
        host.count("caddis-init") == 0 && host.count("^caddis") == 0
    });
    assert_eq!(host.mounts(), before);
}

/// It may be seen for a moment yet; who joined it would die with it.
#[test]
fn who_comes_right_after_process_1_was_killed_gets_a_new_one() {
    let host = Host::start().unwrap();
    for _ in 0..60 {
        host.inside("alice", "true").ok();
        let process_1 = host.first_process(1000, "default").unwrap();
        let next = format!(
            "kill -9 {process_1}; cd /; exec setpriv --reuid=1000 --regid=1000 --clear-groups caddis run echo ran"
        );
        assert_eq!(host.sh("root", &next).ok().stdout, "ran\n");
    }
}

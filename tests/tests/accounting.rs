//! What the kernel counts for a user when an environment uses it, and who has power over an environment from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild};
use caddis_tests::attack::Findings;
use caddis_tests::{Environments, State, attack};

const ENTER: &str = attack!("enter.py");
const USE_UP: &str = "/usr/local/bin/use_up";
const MANY: &str = "/usr/local/bin/many";

/// Where the range of the policy's defaults begins for this user.
fn first_of_range(uid: u32) -> u32 {
    0x8000_0000 + (uid - 1000) * 65_536
}

/// A host with the user dave, whose id no other test has, nor another one here: the kernel, and with it what it counts, is
/// shared by all hosts.
fn host(uid: u32) -> Host {
    let host = Host::start().unwrap();
    host.write(USE_UP, include_str!("../attacks/use_up.py"), 0o755);
    let add = format!("useradd -m -u {uid} dave; sed -i /^dave:/d /etc/subuid /etc/subgid");
    host.sh("root", &add).ok();
    host
}

fn use_up(host: &Host, words: &[&str]) -> (HostChild, u32) {
    let mut running = host
        .caddis("dave", &[&["run", USE_UP], words].concat())
        .spawn();
    let line = running.line();
    let made = line.strip_prefix("made ").unwrap().parse().unwrap();
    (running, made)
}

/// Who owns the user namespace of this process.
fn owner(host: &Host, pid: u32) -> u32 {
    let python = "import array, fcntl, sys\nuid = array.array('I', [0])\nfcntl.ioctl(open(sys.argv[1]), 0xb704, uid)\nprint(uid[0])";
    let path = format!("/proc/{pid}/ns/user");
    let said = host.run("root", &["python3", "-c", python, &path]).ok();
    said.text().parse().unwrap()
}

/// How many signals wait for all processes of `uid`, as the kernel of the host counts them.
fn waiting_signals(host: &Host, uid: u32) -> u32 {
    let look = format!("setpriv --reuid={uid} --clear-groups grep SigQ /proc/self/status");
    let line = host.sh("root", &look).ok();
    let count = line.text().strip_prefix("SigQ:").unwrap().trim();
    count.split('/').next().unwrap().parse().unwrap()
}

#[test]
fn instances_of_inotify_are_used_up_for_their_user_alone() {
    let host = host(31_007);
    let limit: u32 = host
        .read_text("/proc/sys/fs/inotify/max_user_instances")
        .trim()
        .parse()
        .unwrap();
    let (running, made) = use_up(&host, &["inotify"]);
    // None of the user's own environments has any left: so it is the user who is charged.
    assert_eq!(made, limit);
    let ask = "python3 -c 'import ctypes; exit(ctypes.CDLL(None).inotify_init1(0) < 0)'";
    host.sh("dave", &format!("caddis run -e other {ask}"))
        .exits(1);
    for user in ["root", "alice", "dave"] {
        host.sh(user, ask).ok();
    }
    host.inside("alice", ask).ok();
    drop(running);
}

#[test]
fn signals_that_wait_are_counted_for_their_user_alone() {
    const DAVE: u32 = 31_008;
    let host = host(DAVE);
    let process_1 = |host: &Host| host.first_process(DAVE, "default").unwrap();
    let before = waiting_signals(&host, 0);
    let (running, made) = use_up(&host, &["signals", "1000"]);
    assert_eq!(made, 1000);
    let owner = owner(&host, process_1(&host));
    assert!(waiting_signals(&host, owner) >= 1000);
    // Others use the machine as well, so there may be some more, or fewer.
    let after = waiting_signals(&host, 0);
    assert!(after < before + 500, "{before} before, {after} after");
    assert!(waiting_signals(&host, DAVE) < 500);
    drop(running);
}

/// A user whose id is beyond those that an environment has, so that all of the range is mapped, or nearly.
const ERIN: u32 = 131_007;
const ERINS: u32 = 3_000_000_000;

#[test]
fn nobody_has_power_over_an_environments_user_namespace_from_outside() {
    const DAVE: u32 = 31_009;
    let host = host(DAVE);
    let add = format!(
        "useradd -m -u {ERIN} erin; for f in /etc/subuid /etc/subgid; do \
         sed -i /^erin:/d $f; echo erin:{ERINS}:65536 >> $f; done"
    );
    host.sh("root", &add).ok();
    nobody_has_power(&host, "dave", DAVE, first_of_range(DAVE));
    nobody_has_power(&host, "erin", ERIN, ERINS);
}

fn nobody_has_power(host: &Host, user: &str, uid: u32, first: u32) {
    let mut session = host
        .caddis(
            user,
            &["run", "sh", "-c", "echo; caddis root sleep infinity"],
        )
        .spawn();
    session.line();
    let process_1 = host.first_process(uid, "default").unwrap();
    let owner = owner(host, process_1);
    // Of the user's own range, and neither the user's nor anybody's inside.
    assert!((first..=first + 65_535).contains(&owner), "{owner}");
    let map = host.read_text(&format!("/proc/{process_1}/uid_map"));
    for line in map.lines() {
        let fields: Vec<u32> = line
            .split_whitespace()
            .map(|field| field.parse().unwrap())
            .collect();
        let extent = fields[1]..=fields[1] + (fields[2] - 1);
        assert!(!extent.contains(&owner), "{owner} is mapped: {map}");
    }
    // What root of the environment leaves in the home directory runs on the host with container root's id there.
    let copies = "for role in root user; do cp /usr/bin/python3 ./$role; done; chown 1000 user; chmod 6755 root user";
    host.inside_root(user, copies).ok();
    let monitor = session.pid_in_host();
    let inside = format!("until pgrep -x -u {first} sleep; do :; done; pgrep -P {monitor}");
    let inside = host.sh("root", &inside).ok();
    let mut pids: Vec<String> = inside.stdout.lines().map(str::to_owned).collect();
    pids.extend([process_1.to_string(), monitor.to_string()]);
    assert!(pids.len() >= 4, "{pids:?}");
    let attack = |user: &str, python: &str| {
        let argv: Vec<&str> = [python, "-"]
            .into_iter()
            .chain(pids.iter().map(String::as_str))
            .collect();
        Findings::of(host.command(user, &argv).stdin(ENTER).run())
    };
    let identity = host.run(user, &["./root", "-c", "import os; print(os.geteuid())"]);
    assert_eq!(identity.ok().text(), first.to_string());
    for python in ["./root", "./user", "/usr/bin/python3"] {
        attack(user, python).all_refused(8);
    }
    let root = attack("root", "/usr/bin/python3");
    assert_eq!(root.done().len(), root.attempts().len(), "{}", root.output);
    drop(session);
}

#[test]
fn the_limit_of_processes_holds_for_all_ids_of_an_environment_together() {
    let host = host(31_010);
    host.write(MANY, include_str!("../attacks/many.py"), 0o755);
    // Container root, and four others whose ids it takes: each counts for itself, and all count together.
    let script = format!("ulimit -u 60; caddis root {MANY} 0 5 6 7 8");
    let mut running = host.spawn("dave", &script);
    let line = running.line();
    let made: u32 = line.strip_prefix("made ").unwrap().parse().unwrap();
    assert!((30..=60).contains(&made), "{made}");
    // Nor has another environment of hers any left under this limit, while others have.
    host.sh("dave", "ulimit -u 60; caddis run -e other true")
        .exits(126)
        .says("Resource temporarily unavailable")
        .says("ulimit -u");
    host.inside("alice", "true").ok();
    host.sh("dave", "true").ok();
    drop(running);
}

/// Container root takes many ids, in several environments, in nested user namespaces too. The
/// attack tries 400 processes with each id.
#[test]
fn the_policys_limit_of_processes_holds_for_all_ids_of_all_environments_of_a_user() {
    let host = host(31_011);
    host.write(MANY, include_str!("../attacks/many.py"), 0o755);
    host.policy("[limits]\nprocesses = 90\n");
    let many = |environment: &str, how: &[&str]| {
        let words = [&["root", "-e", environment], how].concat();
        let mut running = host.caddis("dave", &words).spawn();
        let line = running.line();
        let made: u32 = line.strip_prefix("made ").unwrap().parse().unwrap();
        (running, made)
    };
    // What holds the place of those that come second.
    let wait = ["run", "-e", "b", "sh", "-c", "echo; read -r go; exit 0"];
    let mut waiting = host.caddis("dave", &wait).spawn();
    waiting.line();
    let (first, made) = many("a", &["unshare", "-r", MANY, "0"]);
    assert!((60..=90).contains(&made), "{made}");
    // Nothing is left for her, in any environment; for others there is, and outside of environments
    // for her. (Not alice: she has environments on other hosts of this kernel, too.)
    host.sh("root", "useradd -m -u 31012 frank").ok();
    host.sh("dave", "caddis run -e b true")
        .exits(126)
        .says("limits.processes");
    host.sh("dave", "caddis run -e c true")
        .fails()
        .says("limits.processes");
    host.inside("frank", "true").ok();
    host.sh("dave", "true").ok();
    host.run("root", &["caddis", "admin", "stop", "--user", "dave"])
        .ok();
    first.wait().fails();
    waiting.wait().fails();
    let (second, made) = many("b", &[MANY, "0", "5", "6", "7", "8"]);
    assert!((60..=90).contains(&made), "{made}");
    drop(second);
}

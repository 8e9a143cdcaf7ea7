//! What becomes of the processes that are left when the last session has ended.
//!
//! Whether they may go on, process 1 decides a moment after that. `caddis remove` waits for its decision and refuses
//! what is in use: that is how these tests know.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output, eventually};
use caddis_tests::{Environments, HELPER, State};

/// When process 1 was started, in clock ticks.
const BIRTH: &str = "cut -d ' ' -f 22 /proc/1/stat";

/// A daemon to leave behind. The kernel calls a process as its program's file, from execve(2) on.
fn daemon(name: &str) -> String {
    format!(
        "cp /bin/sleep '/tmp/{name}'; setsid --fork '/tmp/{name}' infinity > /dev/null 2>&1; \
         until pgrep -x '{name}' > /dev/null; do :; done; "
    )
}

/// What ends such a daemon, to its very end: process 1 counts what it finds.
fn end(name: &str) -> String {
    format!("pkill -x {name}; while pgrep -x {name} > /dev/null; do :; done")
}

/// How many such daemons run.
fn running(host: &Host, name: &str) -> usize {
    host.count(&format!("^/tmp/{name} infinity"))
}

fn ended(host: &Host, name: &str) {
    eventually(&format!("{name} has ended"), || running(host, name) == 0);
}

fn remove(host: &Host) -> Output {
    host.caddis("alice", &["remove", "--yes", "default"]).run()
}

/// Process 1 has decided that processes go on.
fn goes_on(host: &Host) {
    remove(host)
        .exits(125)
        .says("remove the environment \"default\": processes go on in it without a session: ");
    let list = host.caddis("alice", &["list"]).run().ok();
    let line: Vec<&str> = list
        .stdout
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(line[..3], ["default", "running", "-"], "{list}");
}

/// Process 1 has decided that nothing does: what can be removed is not in use.
fn is_over(host: &Host, name: &str) {
    remove(host).ok();
    assert_eq!(running(host, name), 0);
}

#[test]
fn without_a_rule_for_it_everything_ends_with_the_last_session() {
    let host = Host::start().unwrap();
    for name in ["job", "tmux", "tmux: servers", "tmux: serve", "Screen"] {
        host.inside("alice", &daemon(name)).ok();
        is_over(&host, name);
    }
    // That a login was there once, or what holds for logins, is nothing to others.
    host.policy("[login]\nbackground = \"1h\"\n");
    host.inside("alice", &daemon("job")).ok();
    is_over(&host, "job");
    host.policy("[session]\nkeep = []\n");
    host.inside("alice", &daemon("screen")).ok();
    is_over(&host, "screen");
}

#[test]
fn what_is_left_goes_on_in_the_background_and_the_next_session_finds_it() {
    let host = Host::start().unwrap();
    host.policy("[session]\nbackground = \"1h\"\n");
    let birth = host
        .inside("alice", &format!("{}{BIRTH}", daemon("job")))
        .ok();
    goes_on(&host);
    let next = format!("pgrep -c -x job; {BIRTH}");
    let seen = host.inside("alice", &next).ok();
    assert_eq!(seen.stdout, format!("1\n{}", birth.stdout));
    goes_on(&host);
    let first = host.first_process(1000, "default");
    host.inside("alice", "pkill -x job").ok();
    ended(&host, "job");
    eventually("it is idle", || {
        let list = host.caddis("alice", &["list", "--json"]).run().ok();
        list.stdout.contains("\"state\": \"idle\"")
    });
    assert_eq!(host.first_process(1000, "default"), first);
    is_over(&host, "job");
}

#[test]
fn its_time_is_limited_and_the_empty_environment_lingers_after_it() {
    let host = Host::start().unwrap();
    host.policy("[session]\nbackground = \"300ms\"\nlinger = \"1h\"\n");
    let birth = host
        .inside("alice", &format!("{}{BIRTH}", daemon("job")))
        .ok();
    ended(&host, "job");
    assert_eq!(host.inside("alice", BIRTH).ok().stdout, birth.stdout);
    host.policy_in_force("[session]\nbackground = \"300ms\"\nlinger = \"0\"\n");
    host.inside("alice", &daemon("job")).ok();
    eventually("process 1 has ended", || host.count("caddis-init") == 0);
    assert_eq!(running(&host, "job"), 0);
}

#[test]
fn everything_stays_as_long_as_one_of_certain_processes_is_left() {
    let host = Host::start().unwrap();
    for name in ["tmux: server", "screen", "mosh-server"] {
        let script = format!("{}{}{BIRTH}", daemon("job"), daemon(name));
        let birth = host.inside("alice", &script).ok();
        goes_on(&host);
        assert_eq!(host.inside("alice", BIRTH).ok().stdout, birth.stdout);
        goes_on(&host);
        // The user ends it, from inside or, as here, from the host.
        host.sh("alice", &format!("pkill -x '{name}'")).ok();
        ended(&host, "job");
        is_over(&host, name);
    }
    // One that a session leaves behind with its own end.
    host.policy("[session]\nkeep = [\"keeper\"]\n");
    host.inside("alice", &daemon("keeper")).ok();
    goes_on(&host);
    host.inside("alice", &(daemon("job") + &end("keeper"))).ok();
    is_over(&host, "job");
}

#[test]
fn a_login_counts_until_the_environment_is_empty() {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"1h\"\n[login]\nbackground = \"1h\"\n");
    let login = |script: &str| {
        let words = [HELPER, "session", "--login", "--home", "/home/alice"];
        let words = [&words[..], &["--", "bash", "-c", script]].concat();
        host.run("alice", &words).ok()
    };
    // It was there, and has left nothing.
    login("true");
    let record = "/run/caddis/1000/default/init";
    eventually("it is empty", || {
        host.read_text(record)
            .ends_with("\n0000000001 -\n0000000001 E\n")
    });
    host.inside("alice", &daemon("job")).ok();
    is_over(&host, "job");
    // What it has left goes on, and what others leave beside that.
    login(&daemon("job"));
    goes_on(&host);
    host.inside("alice", &(daemon("other") + &end("job"))).ok();
    goes_on(&host);
    host.inside("alice", &end("other")).ok();
    is_over(&host, "other");
}

#[test]
fn a_dead_process_keeps_nothing() {
    let host = Host::start().unwrap();
    let careless = "import ctypes, os, time\n\
        if os.fork():\n    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)\n    print('dead', flush=True)\n    os.close(1)\n    time.sleep(1e6)\n\
        ctypes.CDLL(None).prctl(15, b'screen')\n";
    host.write("/home/alice/careless.py", careless, 0o644);
    let script = "cd; setsid --fork python3 careless.py | head -n 1; ps -o comm=,state= -C screen";
    let seen = host.inside("alice", script).ok();
    assert_eq!(seen.stdout, "dead\nscreen          Z\n");
    remove(&host).ok();
    assert_eq!(host.count("careless.py"), 0);
}

#[test]
fn what_goes_on_is_ended_by_those_who_say_so() {
    let host = Host::start().unwrap();
    host.inside("alice", &daemon("screen")).ok();
    goes_on(&host);
    let copy = ["new", "second", "--from", "default"];
    host.caddis("alice", &copy)
        .run()
        .exits(125)
        .says("processes go on in it without a session: ");
    host.caddis("alice", &["try", "--discard", "true"])
        .run()
        .exits(125)
        .says("(screen)");
    assert_eq!(running(&host, "screen"), 1);
    host.caddis("alice", &["stop"]).run().ok();
    assert_eq!(
        (running(&host, "screen"), host.count("caddis-init")),
        (0, 0)
    );
    host.inside("alice", &daemon("screen")).ok();
    goes_on(&host);
    host.caddis("alice", &["remove", "--yes", "--force", "default"])
        .run()
        .ok();
    assert_eq!(
        (running(&host, "screen"), host.count("caddis-init")),
        (0, 0)
    );
}

#[test]
fn a_try_leaves_nothing_behind() {
    let host = Host::start().unwrap();
    host.policy("[session]\nbackground = \"1h\"\n");
    let script = format!("{}{}touch /opt/f", daemon("job"), daemon("screen"));
    let words = ["try", "--root", "--keep", "bash", "-c", &script];
    host.caddis("alice", &words).run().ok();
    assert_eq!((running(&host, "job"), running(&host, "screen")), (0, 0));
    assert_eq!(host.inside("alice", "ls /opt").ok().text(), "f");
}

/// However short a session is.
#[test]
fn a_session_that_process_1_was_too_slow_to_see_is_noticed_all_the_same() {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"1h\"\n");
    for (name, may_stay) in [("job", false), ("screen", true)] {
        host.inside("alice", "true").ok();
        let record = "/run/caddis/1000/default/init";
        eventually("process 1 waits for the next session", || {
            host.read_text(record)
                .ends_with("\n0000000001 -\n0000000001 E\n")
        });
        let process_1 = host.first_process(1000, "default").unwrap();
        host.sh("root", &format!("kill -STOP {process_1}")).ok();
        host.inside("alice", &daemon(name)).ok();
        host.comes_to(&format!("^/tmp/{name} infinity"), 1);
        host.sh("root", &format!("kill -CONT {process_1}")).ok();
        match may_stay {
            true => goes_on(&host),
            false => is_over(&host, name),
        }
    }
}

/// Whoever comes and goes meanwhile.
#[test]
fn sessions_that_come_and_go_leave_nothing_that_may_not_stay() {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"1h\"\n");
    host.inside("alice", "true").ok();
    let script = "cp /bin/sleep /home/alice/job; for i in {1..200}; do \
        caddis run setsid --fork /home/alice/job infinity > /dev/null 2>&1 || echo failed & \
        caddis new copy$i --from default 2> /dev/null & done; wait";
    assert_eq!(host.sh("alice", script).ok().stdout, "");
    eventually("the jobs have ended", || {
        host.count("^/home/alice/job infinity") == 0
    });
    assert!(host.first_process(1000, "default").is_some());
}

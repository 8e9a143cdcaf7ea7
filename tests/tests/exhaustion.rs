//! Callers who have run out of something: limits at nothing or nearly so, and users who use up what they can. Either
//! the command works, or one sentence says why not; afterwards nothing is left, and the next start is as ever.
//! A machine that is full is in `full.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::{Environments, HELPER, NothingLeft, State, Told};

const LAUNCH: &str = "/usr/local/bin/launch";

/// The two ways to a session: straight to the setuid program, and as everybody does it.
const DIRECTLY: &[&str] = &[HELPER, "session", "--home", "/home/alice", "--"];
const BY_CADDIS: &[&str] = &["/usr/local/bin/caddis", "run"];

/// A host on which alice has changed something in her environment.
fn host() -> Host {
    let host = Host::start().unwrap();
    host.write(LAUNCH, include_str!("../attacks/launch.py"), 0o755);
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    host
}

/// A program of alice's under limits.
fn limited(host: &Host, limits: &[&str], words: &[&str], command: &[&str]) -> Output {
    let limits = limits.iter().flat_map(|limit| ["--limit", limit]);
    let argv: Vec<&str> = [LAUNCH]
        .into_iter()
        .chain(limits)
        .chain(words.iter().chain(command).copied())
        .collect();
    host.run("alice", &argv)
}

/// An ordinary session is as ever.
#[track_caller]
fn is_as_ever(host: &Host) {
    let next = host.inside("alice", "cat /etc/motd").ok();
    assert_eq!((next.text(), next.stderr.as_str()), ("mine", ""));
}

fn stop(host: &Host) {
    host.sh("alice", "caddis stop --all").ok();
}

/// All that getrlimit(2) knows; RLIMIT_LOCKS has meant nothing since Linux 2.4.
const LIMITS: [&str; 15] = [
    "AS",
    "CORE",
    "CPU",
    "DATA",
    "FSIZE",
    "MEMLOCK",
    "MSGQUEUE",
    "NICE",
    "NOFILE",
    "NPROC",
    "RSS",
    "RTPRIO",
    "RTTIME",
    "SIGPENDING",
    "STACK",
];

#[test]
fn a_limit_of_zero_is_told_of_or_does_no_harm() {
    let host = host();
    stop(&host);
    let before = host.mounts();
    for limit in LIMITS {
        for zero in ["0", "0:0"] {
            let set = format!("{limit}={zero}");
            let any_program = limited(&host, &[&set], &["/bin/true"], &[]).code();
            for words in [DIRECTLY, BY_CADDIS] {
                for join in [false, true] {
                    if !join {
                        stop(&host);
                    }
                    let output = limited(&host, &[&set], words, &["true"]);
                    let directly = words == DIRECTLY;
                    match (limit, zero) {
                        // Time is up at the kernel's next look, which it takes every few milliseconds: for the helper,
                        // the command, or process 1 while it builds the view.
                        ("CPU", _) if [0, 137, 152].contains(&output.code()) => {}
                        ("CPU", _) => {
                            output
                                .exits(125)
                                .told()
                                .says("it was killed while it built the view");
                        }
                        // The kernel lets no program at all begin, or all of them.
                        ("AS" | "DATA" | "STACK", _) => {
                            assert_eq!(output.code(), any_program, "{output}")
                        }
                        // A command that may open nothing does not even find its libraries.
                        ("NOFILE", "0") if directly => {
                            output.exits(127).says("Error 24");
                        }
                        ("NOFILE", _) => {
                            output.exits(125).told().says("Too many open files");
                        }
                        // Counted when the command becomes the user's, with the session's other process or before.
                        ("NPROC", _) if output.code() == 0 => {}
                        ("NPROC", _) => {
                            output
                                .exits(126)
                                .told()
                                .says("cannot execute true: Resource temporarily unavailable");
                        }
                        // What is noted of a session, of the first one and of others.
                        ("FSIZE", "0:0") => {
                            output.exits(125).told().says("File too large");
                        }
                        _ => assert_eq!(output.ok().stderr, ""),
                    }
                    if limit == "CPU" || set == "NPROC=0:0" {
                        // Process 1 has the limit as well, or the whole instance.
                        stop(&host);
                    }
                    is_as_ever(&host);
                }
            }
        }
    }
    host.has_nothing_left(&before);
}

#[test]
fn a_soft_limit_is_handed_back_as_it_was() {
    let host = host();
    let limits = [
        "CORE",
        "DATA",
        "FSIZE",
        "MEMLOCK",
        "MSGQUEUE",
        "NICE",
        "RSS",
        "RTPRIO",
        "RTTIME",
        "SIGPENDING",
    ];
    let zero = limits.map(|limit| format!("{limit}=0"));
    let odd = [
        "FSIZE=8",
        "NOFILE=16",
        "STACK=65536",
        "CPU=1000",
        "AS=1073741825",
        "NPROC=12345",
    ]
    .map(str::to_owned);
    let hard = ["FSIZE=100000:200000", "NOFILE=60:70", "STACK=200000:300000"].map(str::to_owned);
    for set in [&zero[..], &odd, &hard].concat() {
        let outside = limited(&host, &[&set], &["/bin/cat"], &["/proc/self/limits"]).ok();
        for words in [DIRECTLY, BY_CADDIS] {
            stop(&host);
            for way in ["start", "join"] {
                let inside = limited(&host, &[&set], words, &["cat", "/proc/self/limits"]).ok();
                assert_eq!(inside.stdout, outside.stdout, "{set}, {way}");
            }
        }
    }
}

#[test]
fn a_record_of_process_1_that_is_cut_short_is_not_believed() {
    let host = host();
    stop(&host);
    let before = host.mounts();
    for size in (0..=32).chain([100, 300, 100_000]) {
        let set = format!("FSIZE={size}:{size}");
        let output = limited(&host, &[&set], DIRECTLY, &["true"]);
        if size == 100_000 {
            output.ok();
        } else {
            output.exits(125).told().says("File too large");
            assert_eq!(host.first_process(1000, "default"), None, "{set}");
            let list = host.caddis("alice", &["list", "--json"]).run().ok();
            assert!(
                list.stdout.contains("\"state\": \"stopped\""),
                "{set}: {list}"
            );
        }
        is_as_ever(&host);
        stop(&host);
    }
    // And if the kernel had kept a part: every beginning of a record, short of the last digit of the start time, that
    // would name a living process which has the name of process 1 and is none.
    let script = "echo caddis-init > /proc/$$/comm; cut -d' ' -f22 /proc/$$/stat; read -r end";
    let mut process = host.spawn("root", script);
    let started = process.line();
    let record = format!("R {} {started}", process.pid_in_host());
    for length in 0..record.len() {
        let beginning = &record[..length];
        let write = format!(
            "mkdir -p /run/caddis/1000/default; printf '%s' '{beginning}' > /run/caddis/1000/default/init"
        );
        host.sh("root", &write).ok();
        is_as_ever(&host);
        stop(&host);
    }
    assert!(!process.has_ended());
    process.send("end\n");
    process.wait().ok();
    host.has_nothing_left(&before);
}

/// What a session sees, with nothing but what bash has built in: a start that could not open something must not
/// quietly leave it out.
const VIEW: &str = "while read -r _ _ _ _ at flags _; do echo $at $flags; done < /proc/self/mountinfo; \
                    echo /dev/* /home/* /run/*; echo ~/*; read -r x < /etc/motd; echo $x";

#[test]
fn few_descriptors_give_a_sentence_or_the_whole_view() {
    let host = host();
    let view = |limits: &[&str]| limited(&host, limits, DIRECTLY, &["bash", "-c", VIEW]);
    let whole = view(&[]).ok().stdout;
    assert!(
        whole.contains("/dev/null") && whole.contains("private.txt"),
        "{whole}"
    );
    stop(&host);
    let before = host.mounts();
    let (mut refused, mut shown) = (0, 0);
    for number in 0..=40 {
        let set = format!("NOFILE={number}:{number}");
        stop(&host);
        for _ in ["start", "join"] {
            let output = view(&[&set]);
            if output.code() == 0 {
                assert_eq!(
                    (&output.stdout, output.stderr.as_str()),
                    (&whole, ""),
                    "{set}"
                );
                shown += 1;
            } else {
                output.exits(125).told().says("Too many open files");
                refused += 1;
            }
            is_as_ever(&host);
        }
    }
    // Both have happened, or this has shown nothing.
    assert!(
        refused > 10 && shown > 10,
        "{refused} refused, {shown} shown"
    );
    host.has_nothing_left(&before);
}

#[test]
fn what_runs_out_half_way_through_a_change_leaves_no_half_of_it() {
    let host = host();
    let template = "mkdir -p /opt/a/b/c/d; echo x > /opt/a/b/c/d/e";
    host.caddis("alice", &["root", "-e", "template", "bash", "-c", template])
        .run()
        .ok();
    host.caddis("alice", &["config", "hostname=before"])
        .run()
        .ok();
    host.sh("alice", "caddis stop --all").ok();
    let before = host.mounts();
    let requests: [&[&str]; 7] = [
        &["new", "fresh"],
        &["new", "--from", "template", "copy"],
        &["config", "default", "hostname=after"],
        &["list"],
        &["ps"],
        &["stop", "--every"],
        &["remove", "--force", "fresh", "copy"],
    ];
    let limits = (0..=16).map(|number| format!("NOFILE={number}:{number}"));
    let limits: Vec<String> = limits
        .chain([0, 1, 14, 15].map(|size| format!("FSIZE={size}:{size}")))
        .collect();
    let (mut refused, mut done) = (0, 0);
    for set in &limits {
        for request in requests {
            let output = limited(&host, &[set], &[HELPER], request);
            if output.code() == 0 {
                done += 1;
            } else {
                output.exits(125).told_of_each();
                refused += 1;
            }
            let hostname = host.caddis("alice", &["config", "hostname"]).run().ok();
            assert!(
                ["before", "after"].contains(&hostname.text()),
                "{set} {request:?}: {hostname}"
            );
        }
        // What is there is whole.
        let script = "for e in $(caddis list --json | sed -n 's/.*\"name\": \"\\(copy\\|template\\)\".*/\\1/p'); do \
                      caddis run -e $e cat /opt/a/b/c/d/e; done; caddis stop --all; caddis config hostname=before; \
                      caddis new cleans-up; caddis remove --yes cleans-up; caddis remove --yes copy fresh; :";
        let read = host.sh("alice", script).ok();
        assert!(
            !read.stdout.is_empty() && read.stdout.lines().all(|line| line == "x"),
            "{set}: {read}"
        );
        is_as_ever(&host);
    }
    assert!(refused > 20 && done > 20, "{refused} refused, {done} done");
    host.has_nothing_left(&before);
}

/// A program that gets no memory cannot say so: the kernel, or the runtime before the program's first line, ends it.
/// From there on, it works or it is told.
#[test]
fn little_memory_ends_the_caller_or_is_told() {
    let host = host();
    stop(&host);
    let before = host.mounts();
    let stack = (0..40_960)
        .step_by(4096)
        .map(|bytes| format!("STACK={bytes}:{bytes}"));
    let data = (80_000..320_000)
        .step_by(16 * 1024)
        .map(|bytes| format!("DATA={bytes}:{bytes}"));
    let all = (1 << 20..4 << 20)
        .step_by(64 * 1024)
        .map(|bytes| format!("AS={bytes}:{bytes}"));
    let (mut ended, mut worked) = (0, 0);
    for set in stack.chain(data).chain(all) {
        for words in [DIRECTLY, BY_CADDIS] {
            stop(&host);
            for _ in ["start", "join"] {
                let output = limited(&host, &[&set], words, &["true"]);
                match output.code() {
                    0 => worked += 1,
                    // The command's own loader.
                    127 => assert!(!output.stderr.contains("caddis"), "{output}"),
                    134 | 139 => ended += 1,
                    _ => drop(output.told()),
                }
                is_as_ever(&host);
            }
        }
    }
    assert!(ended > 20 && worked > 20, "{ended} ended, {worked} worked");
    host.has_nothing_left(&before);
}

#[test]
fn an_instance_that_was_started_under_limits_is_no_worse_for_others() {
    let host = host();
    let script = "cat /proc/self/limits; head -c 100000 /dev/zero > /tmp/big; \
                  for i in {1..200}; do (true &); done; trap 'echo bye; exit 3' TERM; echo up; while :; do read -t 1 x; done";
    let mut ordinary = host.session("alice", script);
    let expected = ordinary.until("up\n");
    host.caddis("alice", &["stop"]).run().ok();
    assert_eq!(ordinary.until("bye\n"), "bye\n");
    ordinary.wait().exits(3);
    let limits = [
        "NOFILE=40:40",
        "FSIZE=50000:50000",
        "MEMLOCK=0:0",
        "SIGPENDING=0:0",
        "CORE=0:0",
        "MSGQUEUE=0:0",
        "NPROC=100:100",
    ];
    limited(&host, &limits, DIRECTLY, &["true"]).ok();
    let first = host.first_process(1000, "default");
    assert!(first.is_some());
    let mut session = host.session("alice", script);
    assert_eq!(session.until("up\n"), expected);
    assert_eq!(host.first_process(1000, "default"), first);
    host.caddis("alice", &["stop"]).run().ok();
    assert_eq!(session.until("bye\n"), "bye\n");
    session.wait().exits(3);
    is_as_ever(&host);
}

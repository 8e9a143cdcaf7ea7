//! Machines that are full: no memory for `/run` or `/tmp`, no process ids, no room for mounts, nothing left of what the
//! kernel counts for a user. Full disks are in `full_disk.rs`, callers who limit themselves in `exhaustion.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::{Environments, NothingLeft, State, Told};
use std::fs;

const FEW_PIDS: &str = "/usr/local/bin/few_pids";

/// Whether `text` was shown; if not, want of space was told of.
#[track_caller]
fn shown_or_told(output: Output, text: &str) -> bool {
    let shown = output.code() == 0;
    if shown {
        assert_eq!((output.text(), output.stderr.as_str()), (text, ""));
    } else {
        output.exits(125).told().says("No space left on device");
    }
    shown
}

#[test]
fn a_run_directory_without_room() {
    let host = Host::start().unwrap();
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    let resize = |what: &str| {
        host.sh("root", &format!("mount -o remount,{what} /run"))
            .ok();
    };
    resize("size=1m,nr_inodes=100000");
    let before = host.mounts();
    // No memory: a file can be made there, and not be written. The former record would make room for the next one.
    let fill = "caddis admin stop --all; rm -rf /run/caddis/1000; cat /dev/zero > /run/filler";
    host.sh("root", fill).fails().says("No space left");
    for _ in 0..2 {
        host.inside("alice", "true")
            .exits(125)
            .told()
            .says("No space left on device");
    }
    let list = host.caddis("alice", &["list", "--json"]).run().ok();
    assert!(list.stdout.contains("\"state\": \"stopped\""), "{list}");
    host.sh(
        "alice",
        "caddis stop; caddis new --from default copy; caddis remove --yes copy",
    )
    .ok();
    host.sh("root", "rm /run/filler").ok();
    assert_eq!(host.inside("alice", "cat /etc/motd").ok().text(), "mine");
    // No inodes, for users who were never there, one more each time.
    let (mut refused, mut worked) = (0, 0);
    for free in 0..10 {
        host.sh("root", "caddis admin stop --all; rm -rf /run/caddis/1002")
            .ok();
        let inodes = host.sh("root", "df --output=iused /run | tail -1").ok();
        resize(&format!(
            "nr_inodes={}",
            inodes.text().parse::<u32>().unwrap() + free
        ));
        for user in ["carol", "alice"] {
            let output = host.inside(user, "echo hi");
            let shown = shown_or_told(output, "hi");
            worked += u32::from(shown);
            refused += u32::from(!shown);
        }
        resize("nr_inodes=100000");
        assert_eq!(host.inside("alice", "cat /etc/motd").ok().text(), "mine");
        host.inside("carol", "true").ok();
    }
    assert!(
        refused > 3 && worked > 3,
        "{refused} refused, {worked} worked"
    );
    host.has_nothing_left(&before);
}

#[test]
fn an_instances_own_memory_without_room() {
    let host = Host::start().unwrap();
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    host.sh("alice", "caddis stop").ok();
    let before = host.mounts();
    // From too little for a start to enough.
    let (mut refused, mut worked) = (0, 0);
    for kilobytes in (4..=64).step_by(4) {
        host.policy(&format!("[storage]\nmemory = \"{kilobytes}k\"\n"));
        let output = host.inside("alice", "cat /etc/motd");
        let shown = shown_or_told(output, "mine");
        worked += u32::from(shown);
        refused += u32::from(!shown);
        host.sh("alice", "caddis stop").ok();
    }
    assert!(
        refused > 0 && worked > 3,
        "{refused} refused, {worked} worked"
    );
    // Filled from inside: nobody else notices, it is joined, it ends, and the next one is empty.
    host.policy("[storage]\nmemory = \"1m\"\n");
    host.inside_root("alice", "cat /dev/zero > /tmp/zeros")
        .fails()
        .says("No space left on device");
    host.inside_root("alice", "cat /dev/zero > /dev/shm/zeros")
        .fails()
        .says("No space left on device");
    host.inside("alice", "cat /etc/motd").ok();
    host.inside("bob", "head -c 500000 /dev/zero > /tmp/zeros")
        .ok();
    host.caddis("alice", &["stop"]).run().ok();
    assert_eq!(
        host.inside("alice", "ls -A /tmp; cat /etc/motd")
            .ok()
            .text(),
        "mine"
    );
    host.policy("");
    host.has_nothing_left(&before);
}

#[test]
fn a_machine_without_process_ids() {
    let machines = || fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    let before = machines();
    let host = Host::start().unwrap();
    host.write(FEW_PIDS, include_str!("../attacks/few_pids.py"), 0o755);
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    host.sh("alice", "caddis new template; caddis stop --all")
        .ok();
    let mounts = host.mounts();
    let with = |left: &str, words: &[&str]| -> Output {
        let output = host.run(
            "root",
            &[&[FEW_PIDS, "alice", left, "caddis"], words].concat(),
        );
        assert_ne!(output.code(), 99, "{output}");
        assert_eq!(machines(), before, "a host has changed its machine");
        output
    };
    let none = "Resource temporarily unavailable";
    // A start needs two at a time: process 1, and the command.
    for left in ["0", "1", "2"] {
        let start = with(left, &["run", "cat", "/etc/motd"]);
        if left == "2" {
            assert_eq!(start.ok().text(), "mine");
        } else {
            start.exits(125).told().says(none);
            assert_eq!(host.first_process(1000, "default"), None);
        }
        assert_eq!(host.inside("alice", "cat /etc/motd").ok().text(), "mine");
        // A join needs one.
        with("0", &["run", "true"]).exits(125).told().says(none);
        assert_eq!(with("1", &["run", "cat", "/etc/motd"]).ok().text(), "mine");
        // And these need none, so that there is a way out.
        with("0", &["stop"]).ok();
        assert_eq!(host.first_process(1000, "default"), None);
    }
    with("0", &["new", "copy", "--from", "template"]).ok();
    with("0", &["config", "-e", "default", "hostname=full"]).ok();
    with("0", &["remove", "--yes", "copy"]).ok();
    with("0", &["list"]).exits(125).told().says(none);
    assert_eq!(
        host.inside("alice", "cat /etc/motd; hostname").ok().stdout,
        "mine\nfull\n"
    );
    // What runs inside when there are none left can go on, and is ended as ever.
    let mut session = host.session(
        "alice",
        "trap 'echo bye; exit 3' TERM; echo in; while :; do read -r -t 1 x; done",
    );
    session.line();
    with("0", &["stop"]).ok();
    assert_eq!(session.line(), "bye");
    session.wait().exits(3);
    host.has_nothing_left(&mounts);
}

#[test]
fn a_machine_without_room_for_mounts() {
    let host = Host::start().unwrap();
    let script = "/usr/local/bin/fill_mounts";
    host.write(script, include_str!("../attacks/fill_mounts.py"), 0o755);
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    host.sh("alice", "caddis stop").ok();
    // Where alice cannot go, so that they are not hers to see inside.
    host.sh(
        "root",
        &format!("mkdir -m 700 /root/full; cd /root/full; {script} 24"),
    )
    .ok();
    let (mut refused, mut worked) = (0, 0);
    for spare in (0..24).step_by(4) {
        let before = host.mounts();
        let output = host.inside("alice", "cat /etc/motd");
        let shown = shown_or_told(output, "mine");
        worked += u32::from(shown);
        refused += u32::from(!shown);
        host.has_nothing_left(&before);
        let free = format!("for i in 0 1 2 3; do umount /root/full/spare$(({spare} + i)); done");
        host.sh("root", &free).ok();
    }
    assert!(
        refused > 1 && worked > 1,
        "{refused} refused, {worked} worked"
    );
}

/// Makes groups of fanotify(7) until the kernel says that there are too many, and holds them.
const USE_UP: &str = "
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
count = 0
# FAN_REPORT_FID: the kind that needs no capability.
while count < int(sys.argv[1]) and libc.fanotify_init(0x200, 0) >= 0:
    count += 1
print(count, ctypes.get_errno(), flush=True)
sys.stdin.read()
";

/// What the kernel counts for the owner of a user namespace, too, as it does inotify's (see `accounting.rs`): were
/// that root, or the user, an environment could use up theirs, as its user or as its root.
#[test]
fn a_user_who_uses_up_fanotify_uses_up_only_what_is_theirs() {
    let host = Host::start().unwrap();
    // A user id of this test's own: the kernel counts for it what all hosts of the machine use.
    host.sh(
        "root",
        "useradd --create-home --uid 5417 --shell /bin/bash dave",
    )
    .ok();
    let most = host.read_text("/proc/sys/user/max_fanotify_groups");
    let more = (most.trim().parse::<u32>().unwrap() + 1).to_string();
    let one = |user: &str, before: &[&str]| {
        host.run(user, &[before, &["python3", "-c", USE_UP, "1"]].concat())
            .ok()
            .text()
            .to_owned()
    };
    for verb in ["run", "root"] {
        let mut user = host
            .caddis("dave", &[verb, "python3", "-c", USE_UP, &more])
            .spawn();
        let line = user.line();
        // EMFILE, and all of them: the environment has none left, for whomever.
        assert_eq!(line, format!("{} 24", most.trim()), "as {verb}");
        assert_eq!(one("dave", &["caddis", "root"]), "0 24");
        for who in ["root", "bob", "dave"] {
            assert_eq!(one(who, &[]), "1 0", "{who}");
        }
        assert_eq!(one("bob", &["caddis", "root"]), "1 0");
        user.close_stdin();
        user.wait().ok();
    }
}

//! What Caddis's own processes hold open: as little as they need, and nothing that would lead out of an environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::attack::{DIRECTORY, install};
use caddis_tests::{Environments, State};
use std::collections::BTreeSet;

/// A line for each descriptor of a process: what it leads to, and its kind and device as the kernel names them.
fn descriptors(host: &Host, pid: u32) -> Vec<String> {
    let look = format!(
        "cd /proc/{pid}/fd; for fd in *; do echo \"$(readlink $fd) $(stat -L -c '%F %t:%T' $fd) $(stat -f -L -c %T $fd)\"; done"
    );
    let listed = host.sh("root", &look).ok().stdout;
    listed.lines().map(str::to_owned).collect()
}

/// Each descriptor of process 1 by name, and none more: the null device on its standard streams; what counts
/// sessions, locks and names the instance; the lock of the veil; its own namespace; two to wait with; the instance's
/// `/proc`; and the overlay and its guard, by which root refreshes them. None leads to more than its user may see.
fn process_1_holds_nothing_else(host: &Host) {
    let process_1 = host.first_process(1000, "default").unwrap();
    let expected = [
        "anon_inode:[eventpoll] ",
        "anon_inode:[signalfd] ",
        "/run/caddis/1000/default/init regular file",
        "/run/caddis/1000/default/lock regular",
        "/run/caddis/1000/default/sessions fifo",
        "/var/lib/caddis/veil/1.list regular file",
        "user:[",
        "/proc directory 0:0 proc",
    ];
    // It has said that the view stands a moment before it lets go of whom it has said so to.
    let mut held = Vec::new();
    eventually("process 1 has as many descriptors as it should", || {
        held = descriptors(host, process_1);
        held.len() == 3 + 2 + expected.len()
    });
    let (null, others): (Vec<&String>, Vec<&String>) = held
        .iter()
        .partition(|line| line.contains("/null character special file 1:3 "));
    assert_eq!(null.len(), 3, "{held:#?}");
    let (overlays, others): (Vec<&String>, Vec<&String>) = others
        .into_iter()
        .partition(|line| *line == "/ directory 0:0 overlayfs");
    assert_eq!(overlays.len(), 2, "{held:#?}");
    assert_eq!(others.len(), expected.len(), "{held:#?}");
    for start in expected {
        let found = others.iter().filter(|line| line.starts_with(start)).count();
        assert_eq!(found, 1, "{start}: {held:#?}");
    }
    let look = format!(
        "for fd in /proc/{process_1}/fd/*; do [ $(readlink $fd) != /proc ] || cat $fd/1/comm; done"
    );
    assert_eq!(host.sh("root", &look).ok().text(), "caddis-init");
    // Its root and working directory are the environment's.
    let look = format!("cd /proc/{process_1}; ls -A root/home cwd/home");
    let seen = host.sh("root", &look).ok();
    assert_eq!(seen.stdout, "cwd/home:\nalice\n\nroot/home:\nalice\n");
}

#[test]
fn process_1_keeps_nothing_of_whoever_started_it() {
    let host = Host::start().unwrap();
    let inside = "echo in; read -r end";
    // Pipes.
    let mut session = host.session("alice", inside);
    session.line();
    process_1_holds_nothing_else(&host);
    drop(session);
    // A terminal of the user's, and files on all streams.
    host.sh("alice", "caddis stop").ok();
    let mut pty = host.pty("alice", &["caddis", "run", "sh", "-c", inside]);
    pty.expect("in");
    process_1_holds_nothing_else(&host);
    drop(pty);
    host.sh("alice", "caddis stop").ok();
    host.sh("alice", "mkfifo end; exec 7<>end; caddis run sh -c 'echo > ready; read -r end' <&7 >out 2>err & until [ -e ready ]; do :; done").ok();
    process_1_holds_nothing_else(&host);
    // Root's terminal, which is relayed.
    host.sh("root", "caddis admin stop --all").ok();
    let mut pty = host.pty(
        "root",
        &["caddis", "run", "--user", "alice", "sh", "-c", inside],
    );
    pty.expect("in");
    process_1_holds_nothing_else(&host);
    drop(pty);
    // Straight to the helper, with a directory of the host's on a stream.
    host.sh("root", "caddis admin stop --all").ok();
    let helper = "exec /usr/local/libexec/caddis/caddis-helper session --home /home/alice -- sh -c 'echo in; sleep infinity' < / 9< /etc/passwd";
    let mut session = host.spawn("alice", helper);
    session.line();
    process_1_holds_nothing_else(&host);
    session.kill(caddis_lab::Signal::KILL);
    session.wait();
}

#[test]
fn the_outer_process_of_a_session_keeps_what_it_waits_with() {
    let host = Host::start().unwrap();
    let mut session = host.session("alice", "echo in; read -r end");
    session.line();
    let outer = session.pid_in_host();
    // The session's own streams are pipes; the rest is ours.
    let allowed = [
        "pipe:[",
        "anon_inode:",
        "/run/caddis/1000/default/sessions fifo",
    ];
    // The command may run before its outer process has let go of what it took to start it.
    eventually("the outer process holds nothing else", || {
        let held = descriptors(&host, outer);
        assert!(held.len() > 3, "{held:#?}");
        held.iter()
            .all(|line| allowed.iter().any(|start| line.starts_with(start)))
    });
    session.send("end\n");
    session.wait().ok();
}

/// From the moment that it is in the instance, a few system calls are all that there is until what it had from the
/// host is closed.
#[test]
fn a_process_that_joins_has_nothing_of_the_hosts_open_once_it_is_inside() {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"0\"\n");
    let programs = [
        ("stepper.py", include_str!("../attacks/stepper.py")),
        ("starts.py", include_str!("../attacks/starts.py")),
        (
            "descriptors_everywhere.py",
            include_str!("../attacks/descriptors_everywhere.py"),
        ),
    ];
    install(&host, &programs);
    for words in [&["3"][..], &["1", "join"]] {
        let program = format!("{DIRECTORY}/descriptors_everywhere.py");
        let argv = [&["python3", program.as_str()], words].concat();
        let output = host.run("root", &argv).ok();
        let lines: Vec<&str> = output.stdout.lines().collect();
        let joined = lines.iter().position(|line| line.starts_with("inside "));
        let inside = &lines[joined.unwrap()..];
        assert!(inside.len() > 15, "{output}");
        assert!(inside.iter().all(|line| line.starts_with("inside ")));
        // The control: before, there was more.
        let count = |line: &str| line.split(' ').skip(2).count();
        assert!(lines[..joined.unwrap()].iter().any(|line| count(line) > 7));
        let closed = inside.iter().position(|line| count(line) == 5).unwrap();
        assert!(closed <= 4, "{output}");
        let own: BTreeSet<&str> = inside[closed].split(' ').skip(2).collect();
        for line in &inside[closed..inside.len() - 1] {
            let held: BTreeSet<&str> = line.split(' ').skip(2).collect();
            assert_eq!(held, own, "{output}");
        }
        // The streams, the pipe that says whether there is a command, and what tells whether the outer process lives.
        let leads = |to: &str| own.iter().filter(|one| one.ends_with(to)).count();
        let held = (leads("=/dev/null"), leads("=pipe:"), leads("=anon_inode:"));
        assert_eq!(held, (3, 1, 1), "{output}");
        let command = inside[inside.len() - 1];
        assert!(command.starts_with("inside cat 0=") && count(command) == 3);
    }
}

//! `caddis-helper session --files`: descriptors of a login go on to the command, to it alone, and only what can be a
//! login's. `tests/attacks/hand_on.py` starts the helper with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Output, eventually};
use caddis_tests::attack::{DIRECTORY, install};
use caddis_tests::{Environments, HELPER};

fn host() -> Host {
    let host = Host::start().unwrap();
    install(
        &host,
        &[("hand_on.py", include_str!("../attacks/hand_on.py"))],
    );
    host
}

/// The words by which alice starts the helper with these descriptors and asks for `files` of them.
fn words(kinds: &[&str], files: usize, command: &[&str]) -> Vec<String> {
    let program = format!("{DIRECTORY}/hand_on.py");
    let number = files.to_string();
    let helper = ["--", HELPER, "session", "--home", "/home/alice", "--files"];
    let all = [
        &[program.as_str()],
        kinds,
        &helper,
        &[&number, "--"],
        command,
    ]
    .concat();
    all.into_iter().map(str::to_owned).collect()
}

fn session(host: &Host, kinds: &[&str], files: usize, command: &[&str]) -> Output {
    host.run("alice", &words(kinds, files, command))
}

/// What the command sees of its own descriptors.
const LOOK: [&str; 3] = [
    "python3",
    "-c",
    "import os\nfor n in range(3, 99):\n try: print(n, oct(os.fstat(n).st_mode >> 12), end=';')\n except OSError: pass",
];

#[test]
fn what_is_asked_for_keeps_its_number_and_nothing_else_comes_along() {
    let host = host();
    host.sh("alice", "echo outside > /tmp/note").ok();
    // The start of an instance, then a join.
    let mut keeper = None;
    for _ in 0..2 {
        let kinds = ["file:/tmp/note", "listening:/tmp/agent", "pair", "netlink"];
        let seen = session(&host, &kinds, 4, &LOOK).ok();
        assert_eq!(seen.stdout, "3 0o10;4 0o14;5 0o14;6 0o14;");
        host.sh("alice", "rm /tmp/agent").ok();
        let seen = session(&host, &kinds, 1, &LOOK).ok();
        assert_eq!(seen.stdout, "3 0o10;");
        host.sh("alice", "rm /tmp/agent").ok();
        assert_eq!(session(&host, &kinds, 0, &LOOK).ok().stdout, "");
        host.sh("alice", "rm /tmp/agent").ok();
        keeper.get_or_insert_with(|| {
            let mut session = host.session("alice", "echo in; read -r end");
            session.line();
            session
        });
    }
    // As container root as well, and all eight.
    let eight = ["memory"; 8];
    let seen = session(&host, &eight, 8, &LOOK).ok();
    assert_eq!(seen.stdout.matches(" 0o10;").count(), 8);
    // The files are the host's: nothing of that name is inside.
    let read = ["sh", "-c", "test ! -e /tmp/note; cat <&3"];
    let read = session(&host, &["file:/tmp/note"], 1, &read).ok();
    assert_eq!(read.stdout, "outside\n");
    // No other verb keeps any.
    let program = format!("{DIRECTORY}/hand_on.py");
    host.run("alice", &[&program, "pair", "--", HELPER, "list"])
        .ok();
}

#[test]
fn a_program_and_a_socket_of_the_hosts_are_used_by_number() {
    let host = host();
    // Both lie where the environment shows nothing.
    host.sh("root", "cp /bin/echo /tmp/say; chmod 755 /tmp/say")
        .ok();
    let exec = ["/proc/self/fd/3", "ran"];
    let ran = session(&host, &["file:/tmp/say"], 1, &exec).ok();
    assert_eq!(ran.stdout, "ran\n");
    let serve = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('/tmp/agent')\ns.listen()\nprint('up', flush=True)\nc, _ = s.accept()\nc.sendall(b'agent')";
    let mut agent = host.command("alice", &["python3", "-c", serve]).spawn();
    agent.line();
    let connect = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('/proc/self/fd/3')\nprint(s.recv(9).decode())";
    let got = session(&host, &["path:/tmp/agent"], 1, &["python3", "-c", connect]).ok();
    assert_eq!(got.stdout, "agent\n");
    agent.wait().ok();
}

#[test]
fn what_no_login_has_is_refused_by_number_and_nothing_is_started() {
    let host = host();
    host.sh(
        "alice",
        "mkfifo /tmp/fifo; echo x > /tmp/note; ln -s note /tmp/link",
    )
    .ok();
    let refused = [
        ("closed", "Bad file descriptor"),
        ("file:/", "a directory"),
        ("path:/home/alice", "a directory"),
        ("file:/dev/null", "a device"),
        ("terminal", "a device"),
        ("path:/tmp/fifo", "a pipe or FIFO"),
        ("pipe", "a pipe or FIFO"),
        ("link:/tmp/link", "of no type"),
        ("path:/tmp/note", "O_PATH"),
        ("path:/etc/shadow", "O_PATH"),
        ("file:/proc/self/status", "the kernel's own"),
        ("written:/proc/self/oom_score_adj", "the kernel's own"),
        ("written:/proc/self/mem", "the kernel's own"),
        ("file:/proc/self/ns/mnt", "the kernel's own"),
        ("file:/proc/self/ns/user", "the kernel's own"),
        (
            "file:/sys/kernel/mm/transparent_hugepage/enabled",
            "the kernel's own",
        ),
        ("file:/sys/fs/cgroup/cgroup.procs", "the kernel's own"),
        ("pidfd", ""),
        ("epoll", ""),
        ("eventfd", ""),
        ("fanotify", ""),
        ("inotify", ""),
        ("uring", ""),
        ("secret", ""),
    ];
    for (kind, reason) in refused {
        let output = session(&host, &["pair", kind], 2, &["echo", "ran"]).exits(125);
        assert!(
            output
                .stderr
                .starts_with("caddis: cannot hand on descriptor 4: "),
            "{kind}: {output}"
        );
        assert!(output.stderr.contains(reason), "{kind}: {output}");
    }
    // Not one of these has made or started an environment.
    let left = host.sh("root", "ls -A /var/lib/caddis/env /run/caddis 2>&1; true");
    assert!(!left.stdout.contains("1000"), "{left}");
    // Without being asked for, they are closed as ever.
    session(&host, &["file:/"], 0, &LOOK).ok();
    for many in ["9", "256", "-1"] {
        host.run("alice", &[HELPER, "session", "--files", many])
            .exits(125)
            .says("--files");
    }
}

/// How many of our processes hold a socket: the test's own pair is known by its other end, which ends when nobody does.
#[test]
fn nobody_but_the_command_holds_them() {
    let host = host();
    for joins in [false, true] {
        let keeper: Option<HostChild> = joins.then(|| {
            let mut session = host.session("alice", "echo in; read -r end");
            session.line();
            session
        });
        host.sh("alice", "echo mark > /home/alice/marked").ok();
        let command = ["sh", "-c", "echo in; read -r end; exit 3"];
        let argv = words(&["file:/home/alice/marked"], 1, &command);
        let mut session = host.command("alice", &argv).spawn();
        session.line();
        let outer = session.pid_in_host();
        let look = format!(
            "for p in $(pgrep caddis) {outer}; do for f in /proc/$p/fd/*; do readlink $f; done; done | grep -c marked; \
             for f in /proc/[0-9]*/fd/3; do readlink $f; done | grep -c marked"
        );
        // The command may run before its outer process has let go of what it took to start it.
        eventually("nobody else holds it", || {
            host.sh("root", &look).stdout == "0\n1\n"
        });
        session.send("end\n");
        session.wait().exits(3);
        drop(keeper);
        host.sh("alice", "caddis stop").ok();
    }
}

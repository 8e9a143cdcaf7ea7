//! The lab itself: a host is a machine of its own, and nothing of it outlives its owner.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, RootKind, Signal, eventually};
use caddis_tests::held_by_another;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn plain() -> Host {
    Host::builder().without_caddis().start().unwrap()
}

#[test]
fn users_have_their_ids_groups_and_surroundings() {
    let host = plain();
    assert_eq!(
        host.run("alice", &["id"]).ok().text(),
        "uid=1000(alice) gid=1000(alice) groups=1000(alice),2000(proj)"
    );
    assert_eq!(host.run("bob", &["id", "-u"]).ok().text(), "1001");
    assert_eq!(
        host.sh("root", "id -u; echo $HOME $USER").ok().stdout,
        "0\n/root root\n"
    );
    assert_eq!(
        host.sh("alice", "pwd; echo $HOME $LOGNAME $SHELL")
            .ok()
            .stdout,
        "/home/alice\n/home/alice alice /bin/bash\n"
    );
    assert_eq!(host.sh("alice", "locale charmap").ok().text(), "UTF-8");
    host.sh("bob", "cat /home/alice/private.txt")
        .fails()
        .says("Permission denied");
    host.sh(
        "alice",
        "cat /etc/shadow /etc/munge/munge.key /etc/ssh/ssh_host_ed25519_key",
    )
    .fails();
    host.sh("carol", "cat /srv/proj/shared.txt").ok();
}

#[test]
fn a_host_is_apart_from_the_machine() {
    let host = Host::builder()
        .without_caddis()
        .name("node7")
        .start()
        .unwrap();
    assert_eq!(host.sh("root", "hostname").ok().text(), "node7");
    assert_ne!(
        fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap()
            .trim(),
        "node7"
    );
    // PID 1, the shell and ps: nothing of the machine.
    assert_eq!(
        host.sh(
            "root",
            "all=$(ps -e --no-headers); wc -l <<< \"$all\"; cat /proc/1/comm"
        )
        .ok()
        .stdout,
        "3\ncat\n"
    );
    assert_eq!(
        host.sh(
            "root",
            "ip -o link | wc -l; ip -o addr show dev lo | grep -c 127.0.0.1"
        )
        .ok()
        .stdout,
        "1\n1\n"
    );
    // Its mounts are its own: nothing of the machine's tree is among them, only one disk.
    let seen = host
        .sh("root", "cut -d' ' -f5 /proc/self/mountinfo | sort")
        .ok()
        .stdout;
    assert_eq!(
        seen.split_whitespace().collect::<Vec<_>>(),
        [
            "/",
            "/dev",
            "/dev/mqueue",
            "/dev/pts",
            "/dev/shm",
            "/proc",
            "/run",
            "/sys",
            "/sys/fs/cgroup"
        ]
    );
    host.sh(
        "root",
        "touch /etc/only-here /run/only-here && mkdir /made && mount -t tmpfs tmpfs /made",
    )
    .ok();
    assert!(!Path::new("/etc/only-here").exists());
    assert!(
        !fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains("/made")
    );
    // The terminal and process group of the test stay outside.
    host.sh(
        "root",
        "test -z \"$(tty < /dev/tty 2>/dev/null)\"; ps -o sid= -p $$ | grep -qv '^ *0$'",
    )
    .ok();
    host.sh("root", "echo x > /sys/fs/cgroup/cgroup.procs")
        .fails()
        .says("Read-only");
}

#[test]
fn a_hosts_root_is_a_real_root() {
    let host = plain();
    host.sh(
        "root",
        "mknod /tmp/null c 1 3 && echo > /tmp/null && chown 77:88 /tmp/null",
    )
    .ok();
    host.sh(
        "root",
        "useradd dora && install -m 4755 /usr/bin/id /usr/local/bin/setuid-id",
    )
    .ok();
    assert_eq!(host.sh("dora", "setuid-id -u").ok().text(), "0");
    assert_eq!(
        host.sh("root", "readlink /proc/self/ns/user").ok().text(),
        fs::read_link("/proc/self/ns/user")
            .unwrap()
            .to_str()
            .unwrap()
    );
    host.sh("alice", "unshare -Urm mount -t tmpfs tmpfs /mnt")
        .ok();
    host.sh("alice", "bwrap --dev-bind / / true").ok();
}

#[test]
fn packages_come_from_the_hosts_own_repository() {
    let host = plain();
    host.sh(
        "root",
        "apt-get update && apt-get install -y cowsay lab-service",
    )
    .ok();
    host.sh("alice", "/usr/games/cowsay hi").ok();
    assert_eq!(
        host.sh("root", "lab-tool; runuser -u lab-service lab-hello")
            .ok()
            .stdout,
        "lab-tool 2.0\nlab-service as lab-service\n"
    );
    host.sh(
        "root",
        "service lab-service start && service lab-service status && service lab-service stop",
    )
    .ok();
    host.sh(
        "root",
        "apt-get install -y --simulate postgresql-15 nginx-light redis-server hello tree bc",
    )
    .ok();
    host.sh(
        "root",
        "pip install --break-system-packages --no-index --find-links /srv/wheels lab-wheel",
    )
    .ok();
    assert_eq!(
        host.sh("alice", "lab-wheel").ok().text(),
        "hello from the wheel"
    );
}

#[test]
fn orphans_are_reaped() {
    let host = plain();
    // The orphan announces its end through the pipe that only it holds.
    host.sh("root", "( (sleep 0.05; exit 3) & ) | cat").ok();
    eventually("no zombie is left", || {
        host.sh("root", "ps -eo stat= | grep -c ^Z").text() == "0"
    });
}

#[test]
fn several_hosts_side_by_side() {
    let hosts: Vec<Host> = (0..4).map(|_| plain()).collect();
    for (number, host) in hosts.iter().enumerate() {
        host.write("/etc/number", number.to_string(), 0o644);
    }
    for (number, host) in hosts.iter().enumerate() {
        assert_eq!(
            host.sh("bob", "cat /etc/number").ok().text(),
            number.to_string()
        );
    }
}

#[test]
fn files_are_read_and_written_as_the_host_sees_them() {
    let host = plain();
    host.write("/tmp/greeting", "hi", 0o4711);
    assert_eq!(
        host.sh("root", "stat -c '%a %U' /tmp/greeting; cat /tmp/greeting")
            .ok()
            .stdout,
        "4711 root\nhi"
    );
    host.sh(
        "root",
        "ln -s /tmp/greeting /tmp/link; ln -s /nowhere /tmp/dangling",
    )
    .ok();
    assert_eq!(host.read("/tmp/link"), b"hi");
    host.append("/tmp/link", " there");
    assert_eq!(host.read_text("/tmp/greeting"), "hi there");
    assert!(
        host.exists("/tmp/dangling")
            && !host.exists("/nowhere")
            && !host.exists("/tmp/greeting/below")
    );
    assert_eq!(host.look("/tmp/greeting").unwrap().st_size, 8);
}

#[test]
fn a_running_command_is_talked_to_signalled_and_waited_for() {
    let host = plain();
    let mut child = host.spawn(
        "alice",
        "while read -r line; do echo got $line; done; echo end; exit 7",
    );
    child.send("one\ntwo\n");
    assert_eq!(
        (child.line(), child.line()),
        ("got one".into(), "got two".into())
    );
    assert_eq!(
        host.sh("root", &format!("cat /proc/{}/comm", child.pid_in_host()))
            .ok()
            .text(),
        "bash"
    );
    child.close_stdin();
    child.wait().exits(7);
    let mut child = host.spawn("alice", "echo ready; exec sleep infinity");
    assert_eq!(child.line(), "ready");
    child.kill(Signal::TERM);
    child.wait().exits(143);
    // What stays in the background holds the pipe open, and nobody waits for it.
    assert_eq!(
        host.sh("alice", "sleep infinity & echo started")
            .ok()
            .text(),
        "started"
    );
    let big = "x".repeat(1 << 20);
    let echoed = host
        .command("alice", &["tee", "/dev/stderr"])
        .stdin(&big)
        .run()
        .ok();
    assert!(echoed.stdout == big && echoed.stderr == big);
    let output = host
        .command("bob", &["sh", "-c", "echo $A; pwd"])
        .env("A", "b c")
        .cwd("/tmp")
        .run()
        .ok();
    assert_eq!(output.stdout, "b c\n/tmp\n");
}

#[test]
fn a_terminal_session() {
    let host = plain();
    let mut pty = host.pty("alice", &["bash", "--norc", "-i"]);
    pty.send("tty; stty size\n");
    pty.expect("/dev/pts/0\r\n24 80\r\n");
    pty.resize(50, 132);
    pty.send("stty size\n");
    pty.expect("50 132");
    pty.send("sleep infinity\n");
    pty.expect("sleep infinity\r\n");
    // The shell's job has the terminal once its process is in the foreground; ^C then ends it, not the shell.
    eventually("sleep is in the foreground", || {
        host.sh("root", "ps -o stat= -C sleep").text().contains('+')
    });
    pty.send("\x03");
    pty.send("echo status $?\n");
    pty.expect("status 130");
    pty.send("exit 5\n");
    pty.wait().exits(5);
    let mut pty = host.pty(
        "alice",
        &["sh", "-c", "echo up > /dev/tty; exec sleep infinity"],
    );
    pty.expect("up");
    pty.hang_up().exits(129);
}

#[test]
fn further_file_systems_and_roots() {
    let host = Host::builder()
        .without_caddis()
        .disk("/data", FileSystem::Xfs, "400M")
        .disk("/var/lib/caddis", FileSystem::Ext4, "8M")
        .memory("/scratch", "size=1m,mode=1777")
        .start()
        .unwrap();
    assert_eq!(
        host.sh("root", "stat -f -c %T / /data /var/lib/caddis /scratch")
            .ok()
            .stdout,
        "ext2/ext3\nxfs\next2/ext3\ntmpfs\n"
    );
    host.sh(
        "root",
        "cp --reflink=always /dev/null /data/x; dd if=/dev/zero of=/var/lib/caddis/x bs=1M count=9",
    )
    .fails()
    .says("No space left");
    host.sh("alice", "dd if=/dev/zero of=/scratch/x bs=1M count=2")
        .fails()
        .says("No space left");
    for (kind, name) in [
        (RootKind::Local(FileSystem::Xfs), "xfs"),
        (RootKind::Local(FileSystem::Btrfs), "btrfs"),
        (RootKind::Overlay, "overlayfs"),
    ] {
        let start = || Host::builder().without_caddis().root(kind).start().unwrap();
        // Two of a kind are on copies of one image, and yet on two disks.
        let (host, _other) = (start(), start());
        assert_eq!(host.sh("alice", "stat -f -c %T /").ok().text(), name);
        host.sh("root", "touch /etc/x && ! test -e /mnt/target")
            .ok();
    }
}

#[test]
fn system_log_and_sshd() {
    let host = plain();
    host.start_syslog();
    host.sh("alice", "logger -t lab a line for the log").ok();
    assert!(host.wait_for_log("a line for the log").contains("lab"));
    host.start_sshd();
    host.sh("alice", "mkdir -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519 && cp .ssh/id_ed25519.pub .ssh/authorized_keys").ok();
    assert_eq!(
        host.sh("alice", "ssh -o StrictHostKeyChecking=no localhost id -un")
            .ok()
            .text(),
        "alice"
    );
}

#[test]
fn a_dropped_host_is_gone() {
    let host = plain();
    host.spawn("root", "echo up; setsid sleep infinity").line();
    let pid = host.pid_one();
    let disk = disk_of(pid);
    drop(host);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    eventually("its disk is let go of", || !attached(&disk));
}

#[test]
fn nothing_outlives_a_killed_owner() {
    let (mut owner, pid) = held_by_another(&[]);
    let disk = disk_of(pid);
    assert!(attached(&disk));
    // A process in the host that no signal but SIGKILL ends.
    let stubborn = "trap '' HUP INT TERM; echo up; while :; do read -r -t 1000 < /dev/ptmx; done";
    let mut process = Command::new("nsenter")
        .args([
            "-t",
            &pid.to_string(),
            "-m",
            "-p",
            "-u",
            "-n",
            "-i",
            "setsid",
            "bash",
            "-c",
            stubborn,
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "up\n");
    owner.kill().unwrap();
    owner.wait().unwrap();
    // Its end is the end of all: the kernel kills the namespace, then lets go of the mounts, then of the disk.
    process.wait().unwrap();
    eventually("PID 1 is gone", || {
        !Path::new(&format!("/proc/{pid}/ns/mnt")).exists()
    });
    eventually("the disk is let go of", || !attached(&disk));
}

/// The image that a host's root is on, as the loop device names it; no two hosts' images share a name.
fn disk_of(pid: u32) -> String {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(4) == Some("/"))
        .unwrap();
    let device = root.split(' ').nth(2).unwrap();
    fs::read_to_string(format!("/sys/dev/block/{device}/loop/backing_file")).unwrap()
}

/// Whether any loop device has this image.
fn attached(image: &str) -> bool {
    fs::read_dir("/sys/block").unwrap().any(|device| {
        let file = device.unwrap().path().join("loop/backing_file");
        fs::read_to_string(file).is_ok_and(|name| name == image)
    })
}

//! Of the machine's tree of cgroups an environment shows what is below its own, and nothing of others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use caddis_lab::Host;
use caddis_tests::attack::ALICE_INSIDE;
use caddis_tests::{Ssh, Way, every_way};

/// A command of the host's in the machine's own cgroup namespace: to it, the tree of cgroups is the machine's.
fn below_the_machines_cgroups(host: &Host, argv: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    let target = format!("--target={}", host.pid_one());
    command.args([&target, "--mount", "--uts", "--ipc", "--net", "--pid", "--"]);
    command.args([
        "env",
        "-i",
        "PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin",
        "HOME=/home/alice",
    ]);
    command.args(argv);
    command
}

/// The machine's own hierarchies, mounted as a host of both versions has them: of each, an environment is shown what is
/// below its own cgroup, and nothing where that is all of it.
#[test]
fn of_the_tree_of_cgroups_one_sees_ones_own() {
    let host = Host::start().unwrap();
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let memberships: Vec<(&str, &str)> = own
        .lines()
        .map(|line| line.split_once(':').unwrap().1.split_once(':').unwrap())
        .collect();
    let directory = |name: &str| match name {
        "" => "/sys/fs/cgroup/unified".to_owned(),
        name => format!("/sys/fs/cgroup/{name}"),
    };
    let mut mounts = "set -e; mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup\n".to_owned();
    for (name, _) in &memberships {
        let (at, comma) = (directory(name), if name.is_empty() { "" } else { "," });
        let kind = if name.is_empty() { "cgroup2" } else { "cgroup" };
        mounts += &format!(
            "mkdir {at}; mount -t {kind} -o ro,nosuid,nodev,noexec{comma}{name} {kind} {at}\n"
        );
    }
    let mounted = below_the_machines_cgroups(&host, &["bash", "-c", &mounts]).status();
    assert!(mounted.unwrap().success());

    // All cgroups below a directory, itself among them.
    let find = |path: &str| {
        [
            "find".to_owned(),
            path.to_owned(),
            "-name".into(),
            "cgroup.procs".into(),
            "-printf".into(),
            "/%P\n".into(),
        ]
    };
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let list = |before: &[&str], path: &str| {
        let find = find(path);
        let argv: Vec<&str> = before
            .iter()
            .copied()
            .chain(find.iter().map(String::as_str))
            .collect();
        let output = below_the_machines_cgroups(&host, &argv).output().unwrap();
        sorted(&String::from_utf8_lossy(&output.stdout))
    };
    let alice = [
        "setpriv",
        "--reuid=1000",
        "--regid=1000",
        "--init-groups",
        "caddis",
    ];
    for (name, path) in &memberships {
        let at = directory(name);
        assert!(!list(&[], &at).is_empty(), "{at} is not mounted");
        let expected = if *path == "/" {
            Vec::new()
        } else {
            list(&[], &format!("{at}{path}"))
        };
        for way in ["run", "root"] {
            assert_eq!(list(&[&alice[..], &[way]].concat(), &at), expected, "{at}");
        }
    }

    // On a host that is a container, whose root is everybody's.
    host.sh("root", "caddis admin stop --user alice").ok();
    for attacker in ALICE_INSIDE {
        let output = attacker
            .command(
                &host,
                &find("/sys/fs/cgroup").each_ref().map(String::as_str),
            )
            .run();
        assert_eq!(output.ok().stdout, "");
        // What a program looks up is what it finds.
        let own = attacker
            .command(&host, &["cut", "-d:", "-f3", "/proc/self/cgroup"])
            .run()
            .ok();
        assert!(own.stdout.lines().all(|path| path == "/"), "{own}");
    }
}

every_way!(a_login_sees_its_own_cgroups);

/// As systemd has them: everybody's sessions and services in one tree. On the plain host alice sees it all.
fn a_login_sees_its_own_cgroups(way: Way) {
    let host = Host::builder().systemd().start().unwrap();
    let ssh = Ssh::on(host, way, "");
    let host = &ssh.host;
    let mut carol = ssh.terminal(&["-tt", "carol"]);
    carol.expect("carol@host:~$ ");
    let mut first = ssh.login();
    let tree = "find /sys/fs/cgroup/ -name cgroup.procs -printf '/%P\\n' | sort";
    let look = || {
        let script = format!("{tree}; grep ^0:: /proc/self/cgroup");
        ssh.run(&script).ok().stdout
    };
    let seen = look();
    if way == Way::Plain {
        for other in ["user-1002.slice/session-", "system.slice/ssh.service"] {
            assert!(seen.contains(other), "{other}: {seen}");
        }
        return;
    }
    // The part of the session that started the instance; this one is beside it.
    let (own, beside) = seen.split_once("/cgroup.procs\n").unwrap();
    assert_eq!(own, "", "{seen}");
    assert!(beside.starts_with("0::/../session-"), "{seen}");
    assert_eq!(beside.lines().count(), 1, "{seen}");
    // The one that starts it sees itself.
    first.send("exit\n");
    first.wait().ok();
    host.sh("root", "caddis admin stop --user alice").ok();
    assert_eq!(look(), "/cgroup.procs\n0::/\n");
    carol.send("exit\n");
    carol.wait().ok();
}

//! Of the machine's tree of cgroups an environment shows what is below its own, and nothing of others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use caddis_lab::Host;
use caddis_tests::attack::ALICE_INSIDE;

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
    host.sh("root", "caddis admin stop --all").ok();
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

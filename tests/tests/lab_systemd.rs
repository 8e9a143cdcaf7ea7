//! The lab's hosts with systemd: their cgroups are their own, and go with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::held_by_another;
use std::fs;
use std::path::{Path, PathBuf};

/// Where systemd has its cgroups: on the machine below the test's own.
fn cgroup_of(pid: u32) -> PathBuf {
    let of_host = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = of_host
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let tree = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then_some(place)
    });
    let init = Path::new(tree.unwrap()).join(path);
    assert_eq!(init.file_name().unwrap(), "init.scope");
    init.parent().unwrap().to_owned()
}

#[test]
fn systemd_has_cgroups_that_go_with_it() {
    let host = Host::builder().systemd().start().unwrap();
    let cgroup = cgroup_of(host.pid_one());
    assert!(cgroup.join("system.slice/ssh.service").exists());
    // Nothing that the kernel has one of is its to change.
    host.sh(
        "root",
        "! sysctl -w kernel.panic=7 && ! echo 1 > /sys/kernel/profiling && test ! -e /dev/kmsg",
    )
    .ok();
    drop(host);
    assert!(!cgroup.exists());

    // A killed owner cannot remove them: the next one does.
    let (mut owner, pid) = held_by_another(&["systemd"]);
    let left = cgroup_of(pid);
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("systemd is gone", || {
        !Path::new(&format!("/proc/{pid}/ns/mnt")).exists()
    });
    assert!(left.exists());
    let next = Host::builder().systemd().start().unwrap();
    assert!(!left.exists() && cgroup_of(next.pid_one()).exists());
}

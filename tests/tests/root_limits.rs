//! Where the power of an environment's root ends: at what is the machine's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, Untouched};

/// Capabilities of files work for what an environment owns, and give nothing over the host's network.
#[test]
fn file_capabilities_count_inside() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "cp /sbin/capsh /opt/of-the-base && setcap cap_net_raw+ep /opt/of-the-base",
    )
    .ok();
    host.inside_root(
        "alice",
        "cp /sbin/capsh /opt/own && setcap cap_net_raw,cap_chown+ep /opt/own",
    )
    .ok();
    let has = |program: &str, names: &str| {
        let script = format!("{program} --print | grep '^Current:'; /sbin/getcap {program}");
        let expected = format!("Current: {names}=ep\n{program} {names}=ep\n");
        assert_eq!(host.inside("alice", &script).ok().stdout, expected);
    };
    has("/opt/own", "cap_chown,cap_net_raw");
    has("/opt/of-the-base", "cap_net_raw");
    let raw = "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'";
    host.sh("root", raw).ok();
    host.inside_root("alice", raw)
        .fails()
        .says("PermissionError");
}

#[test]
fn what_no_user_of_the_host_may_do_fails_with_an_ordinary_error() {
    let host = Host::start().unwrap();
    let before = host.files();
    for (script, message) in [
        ("mount -t tmpfs none /mnt", "permission denied"),
        ("mount --bind /etc /mnt", "permission denied"),
        ("mount -o remount,ro /", "permission denied"),
        ("umount /proc", "must be superuser"),
        ("mknod /root/null c 1 3", "Operation not permitted"),
        ("mknod /dev/sdz b 8 0", "Operation not permitted"),
        ("mknod /tmp/kmsg c 1 11", "Operation not permitted"),
        ("date --set \"$(date)\"", "Operation not permitted"),
        ("chattr +i /etc/hosts", "Operation not permitted"),
        ("ip link add d0 type dummy", "Operation not permitted"),
        ("ip link set lo down", "Operation not permitted"),
        (
            "sysctl -w vm.swappiness=$(cat /proc/sys/vm/swappiness)",
            "permission denied",
        ),
        (
            "echo $(cat /proc/sys/vm/swappiness) > /proc/sys/vm/swappiness",
            "Permission denied",
        ),
        ("mkdir /sys/fs/cgroup/larva", "Read-only file system"),
        ("renice -n -5 $$", "Permission denied"),
        ("nsenter -t 1 -m true", "Permission denied"),
    ] {
        let output = host.inside_root("alice", script).fails();
        let said = output.stderr.to_lowercase();
        assert!(said.contains(&message.to_lowercase()), "{output}");
    }
    // All of these would do no harm if they did succeed, as the kernel is the machine's. Without a tool that asks
    // for nothing worse: reboot(2) with a command that would only forbid ^Alt^Del,
    // init_module(2) with nothing to load, settimeofday(2) with the time that it is.
    let program = r#"
import ctypes, errno, os, time
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, result, *others):
    error = ctypes.get_errno()
    assert result == -1 and error in (errno.EPERM, *others), (name, result, os.strerror(error))
refused("reboot", libc.reboot(0x00000000))
refused("init_module", libc.syscall({"x86_64": 175, "aarch64": 105}[os.uname().machine], b"", 0, b""),
    errno.ENOSYS)  # where the kernel has no modules at all
refused("swapon", libc.swapon(b"/etc/hosts", 0))
refused("swapoff", libc.swapoff(b"/nowhere"))
refused("settimeofday", libc.settimeofday((ctypes.c_long * 2)(int(time.time()), 0), None))
refused("acct", libc.acct(None))
"#;
    host.caddis("alice", &["root", "python3", "-c", program])
        .run()
        .ok();
    // And the environment is alive and well.
    host.inside("alice", "sudo true").ok();
    host.still_has(&before);
}

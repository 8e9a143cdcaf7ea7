//! Container root is no root: what only the root of a machine may do fails inside, and no way leads out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack::{ALICE_INSIDE, Attacker, Findings, arguments};
use caddis_tests::{Environments, attack};

const SYSTEM: &str = attack!("system.py");
const HANDLES: &str = attack!("handles.py");
const MAKE_HANDLE: &str = attack!("make_handle.py");
const CHROOT: &str = attack!("chroot.py");

#[test]
fn what_only_a_machines_root_may_do_fails_inside() {
    let host = Host::start().unwrap();
    for attacker in ALICE_INSIDE {
        let found = attacker.run(&host, SYSTEM, &["here", "/home/alice"]);
        found.all_refused(48);
        // Root of a nested user namespace has every capability, in there.
        let found = attacker.run(&host, SYSTEM, &["nested", "/home/alice"]);
        found.all_refused(32);
    }
    // The host's root may ask for all that the kernel has, here in a mount namespace that is thrown away.
    let argv = ["unshare", "--mount", "python3", "-", "host", "/root"];
    let root = Findings::of(
        Attacker::Host("root")
            .command(&host, &argv)
            .stdin(SYSTEM)
            .run(),
    );
    let optional = [
        "init_module",
        "delete_module",
        "kexec_load",
        "bpf",
        "fanotify",
        "watch a whole CPU",
        "sysrq",
        "kcore",
        "kmsg",
        "addresses of the kernel",
        "kernel's log",
        "raise a hard limit",
    ];
    for (name, result) in root.attempts() {
        assert!(
            result.starts_with("done") || optional.contains(&name.as_str()),
            "{name}: {result}"
        );
    }
}

#[test]
fn file_handles_open_nothing_of_the_host() {
    let host = Host::start().unwrap();
    host.sh("root", "for file in /etc/shadow /home/bob/private.txt /root/SECRET /home/bob/SECRET; do echo SECRET >> $file; done").ok();
    let files = ["/etc/shadow", "/home/bob/private.txt", "/root", "/home/bob"];
    let mut handles = handles_of(&host, "file", &files);
    assert_eq!(handles.len(), files.len());
    // Namespaces have handles, too, on new kernels.
    let namespaces = ["/proc/1/ns/mnt", "/proc/1/ns/pid", "/proc/1/ns/user"];
    handles.extend(handles_of(&host, "namespace", &namespaces));
    let run = |attacker: Attacker, place: &'static str| {
        attacker.run(&host, HANDLES, &arguments(place, &handles))
    };
    for attacker in ALICE_INSIDE {
        run(attacker, "here").all_refused(30);
        run(attacker, "nested").all_refused(30);
    }
    let root = run(Attacker::Host("root"), "here");
    for file in 0..files.len() {
        assert!(
            root.result(&format!("{file} file /")).starts_with("done"),
            "{}",
            root.output
        );
    }
}

/// Handles for the attack program, as the host's root sees them; none where the kernel has none.
fn handles_of(host: &Host, kind: &str, paths: &[&str]) -> Vec<String> {
    let argv = [&["python3", "-"], paths].concat();
    let made = host.command("root", &argv).stdin(MAKE_HANDLE).run();
    let lines = made.stdout.lines().filter_map(|line| line.split_once('\t'));
    lines
        .map(|(_, handle)| format!("{kind}:{handle}"))
        .collect()
}

#[test]
fn no_root_directory_is_left_behind_to_go_back_to() {
    let host = Host::start().unwrap();
    host.write("/outside", "", 0o644);
    host.write("/etc/only-on-the-host", "", 0o644);
    host.inside_root("alice", "rm /outside /etc/only-on-the-host")
        .ok();
    for attacker in ALICE_INSIDE {
        attacker.run(&host, CHROOT, &["here"]).all_refused(5);
        attacker.run(&host, CHROOT, &["nested"]).all_refused(5);
    }
    assert!(
        !Attacker::Host("root")
            .run(&host, CHROOT, &["here"])
            .done()
            .is_empty()
    );
}

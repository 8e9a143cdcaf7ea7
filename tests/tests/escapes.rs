//! Container root is no root: what only the root of a machine may do fails inside, and no way leads out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack::{ALICE_INSIDE, Attacker, Findings};
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
    host.write("/home/alice/public", "public", 0o644);
    let files = ["/etc/shadow", "/etc/passwd", "/home/bob/private.txt", "/"];
    let made = host.command(
        "root",
        &[&["python3", "-"], &files[..], &["/home/alice/public"]].concat(),
    );
    let made = made.stdin(MAKE_HANDLE).run().ok().stdout;
    let mut handles: Vec<String> = made
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(_, handle)| format!("file:{handle}"))
        .collect();
    assert_eq!(handles.len(), 5);
    let own = handles.pop().unwrap();
    // Namespaces have handles, too, on new kernels.
    let made = host.command(
        "root",
        &[
            "python3",
            "-",
            "/proc/1/ns/mnt",
            "/proc/1/ns/pid",
            "/proc/1/ns/user",
        ],
    );
    let made = made.stdin(MAKE_HANDLE).run();
    if made.code() == 0 {
        let handle = |line: &str| {
            line.split_once('\t')
                .map(|(_, handle)| format!("namespace:{handle}"))
        };
        handles.extend(made.stdout.lines().filter_map(handle));
    }
    let arguments = |place| {
        let mut arguments = vec![place];
        arguments.extend(handles.iter().map(String::as_str));
        arguments
    };
    for attacker in ALICE_INSIDE {
        for place in ["here", "nested"] {
            attacker
                .run(&host, HANDLES, &arguments(place))
                .all_refused(30);
        }
    }
    let root = Attacker::Host("root").run(&host, HANDLES, &arguments("here"));
    for file in 0..4 {
        assert!(root.result(&format!("{file} file /")).starts_with("done"));
    }
    println!("{}", root.output);
    println!(
        "{}",
        Attacker::User("alice")
            .run(&host, HANDLES, &["nested", &own])
            .output
    );
    panic!();
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

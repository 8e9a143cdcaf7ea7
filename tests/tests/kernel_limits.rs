//! Limits that the kernel counts for each uid are not multiplied by the 65,536 ids of an
//! environment, and no process inside receives events of those of the whole machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack::{Attacker, Findings, install};
use caddis_tests::{Environments, Ssh, Way, attack};

const LIMITS: &str = attack!("kernel_limits.py");
/// Where the program is, for those who cannot read it from their standard input.
const FILE: &str = "/usr/local/lib/attacks/kernel_limits.py";

/// The ways into the kernel: of programs of 64 bits, of 32 bits, and of 64 bits with short
/// pointers.
const WAYS: &[&str] = if cfg!(target_arch = "x86_64") {
    &["", "int80 ", "x32 "]
} else {
    &[""]
};

/// What is refused, and as what.
const REFUSED: &[(&str, &str)] = &[
    ("perf", "EACCES"),
    ("add_key", "ENOSYS"),
    ("request_key", "ENOSYS"),
    ("user keyring", "ENOSYS"),
    ("session keyring", "ENOSYS"),
    ("connector", "EPROTONOSUPPORT"),
    ("connector by datagrams", "EPROTONOSUPPORT"),
    ("process events", "EPROTONOSUPPORT"),
    ("notifications", "ENOPKG"),
];

/// All of it is refused by the filter, and nothing beside it.
#[track_caller]
fn nothing_is_multiplied(found: &Findings) {
    for way in WAYS {
        for (name, errno) in REFUSED {
            let result = found.result(&format!("{way}{name}"));
            assert_eq!(
                result,
                format!("refused {errno}"),
                "{way}{name}\n{}",
                found.output
            );
        }
        for name in ["route", "pipe", "ring"] {
            if *way != "x32 " {
                let result = found.result(&format!("{way}{name}"));
                assert!(result.starts_with("done"), "{way}{name}\n{}", found.output);
            }
        }
    }
    for (name, errno) in [
        ("connector with more bits", "EPROTONOSUPPORT"),
        ("notifications with more bits", "ENOPKG"),
    ] {
        assert_eq!(
            found.result(name),
            format!("refused {errno}"),
            "{}",
            found.output
        );
    }
}

fn host() -> Host {
    let host = Host::start().unwrap();
    install(&host, &[("kernel_limits.py", LIMITS)]);
    host
}

/// Without the filter, container root obtained 27,820 KiB of ring buffers with 20 ids, 320 KiB of
/// keys (an id may have 20,000 bytes), and 20 keyrings that stay when no process has the id any
/// more; and it joined the group that receives the events of the machine's processes. It obtained
/// all of it through `int $0x80`, too.
#[test]
fn a_root_with_many_ids_obtains_nothing_of_what_is_counted_for_each() {
    let host = host();
    // First the session that starts the instance, then one that joins.
    for _ in 0..2 {
        for place in ["here", "nested"] {
            let found = Attacker::Root("alice").run(&host, LIMITS, &[place, "20"]);
            nothing_is_multiplied(&found);
            for what in ["ring buffers", "keys", "keyrings"] {
                let result = found.result(&format!("{what} of many ids"));
                assert!(result.starts_with("refused"), "{what}\n{}", found.output);
            }
        }
    }
    // The attack works where there is no filter.
    let found = Attacker::Host("root").run(&host, LIMITS, &["here", "2"]);
    for name in [
        "perf",
        "add_key",
        "user keyring",
        "connector",
        "ring buffers of many ids",
    ] {
        assert!(
            found.result(name).starts_with("done"),
            "{name}\n{}",
            found.output
        );
    }
}

/// Every session has the filter, and what it starts inherits it: the user's ids are as many as
/// root's are, by sudo.
#[test]
fn every_way_in_has_the_filter() {
    let host = host();
    let ways: [(&str, &[&str]); 8] = [
        ("alice", &["caddis", "run"]),
        ("alice", &["caddis", "run", "sudo"]),
        ("alice", &["caddis", "root", "su", "alice", "-c"]),
        ("alice", &["caddis", "run", "caddis", "root"]),
        ("alice", &["caddis", "try", "--discard"]),
        (
            "alice",
            &["caddis", "root", "unshare", "-Um", "--map-root-user"],
        ),
        ("root", &["caddis", "run", "--user", "alice"]),
        ("root", &["caddis", "root", "--user", "alice"]),
    ];
    for (user, words) in ways {
        let command: &[&str] = if words.contains(&"-c") {
            &["python3 /usr/local/lib/attacks/kernel_limits.py here"]
        } else {
            &["python3", FILE, "here"]
        };
        let found = Findings::of(host.command(user, &[words, command].concat()).run());
        nothing_is_multiplied(&found);
    }
}

#[test]
fn a_login_has_the_filter() {
    for way in [Way::Shell, Way::ForceCommand] {
        let ssh = Ssh::on(host(), way, "");
        ssh.lands();
        let found = Findings::of(ssh.run(&format!("python3 {FILE} here")));
        nothing_is_multiplied(&found);
    }
}

/// pam_keyinit as distributions configure it: with `force` it is optional, and without it finds a
/// kernel without keys.
#[test]
fn pam_keyinit_does_without_keys() {
    let host = host();
    let configure = "for service in su sudo; do sed -i -e '1i session required pam_keyinit.so revoke' \
                     -e '1i session optional pam_keyinit.so force revoke' /etc/pam.d/$service; done";
    host.inside_root("alice", configure).ok();
    for words in ["sudo id -u", "sudo su - root -c 'id -u'"] {
        let output = host.inside("alice", words).ok();
        assert_eq!(
            (output.text(), output.stderr.as_str()),
            ("0", ""),
            "{words}"
        );
    }
}

/// What the kernel counts for a user namespace as a whole (`struct ucounts`) is not more with many
/// ids. With 20 of them container root has no more than the one limit. Before Linux 5.14, the
/// kernel counted message queues for each uid.
#[test]
fn what_is_counted_for_the_namespace_is_not_multiplied() {
    let host = host();
    let found = Attacker::Root("alice").run(&host, LIMITS, &["here", "20"]);
    let obtained = |what: &str| {
        let result = found.result(&format!("{what} of many ids"));
        let number = result
            .strip_prefix("done ")
            .and_then(|number| number.parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("{what}\n{}", found.output))
    };
    let most = host.read_text("/proc/sys/fs/inotify/max_user_instances");
    let instances = obtained("inotify instances");
    assert!(
        (1..=most.trim().parse().unwrap()).contains(&instances),
        "{instances}"
    );
    // RLIMIT_MSGQUEUE.
    let bytes = obtained("bytes of queues");
    assert!((1..=819_200).contains(&bytes), "{bytes}");
}

#[test]
fn the_policy_gives_back_what_a_site_needs() {
    let host = host();
    let policy = "[kernel]\nperf_events = true\nkeys = true\nprocess_events = true\n";
    host.write("/etc/caddis/policy.toml", policy, 0o644);
    let found = Attacker::User("alice").run(&host, LIMITS, &["here"]);
    for (name, _) in REFUSED
        .iter()
        .filter(|(name, _)| !["request_key", "notifications"].contains(name))
    {
        assert!(
            found.result(name).starts_with("done"),
            "{name}\n{}",
            found.output
        );
    }
    // Nothing is left to refuse, and there is no filter.
    let state = host
        .inside("alice", "grep ^Seccomp: /proc/self/status")
        .ok();
    assert_eq!(state.text(), "Seccomp:\t0");
    host.sh("alice", "caddis stop").ok();
    // The other way round, the last ways to the connector are closed.
    let policy = "[kernel]\nio_uring = false\nsocketcall = false\n";
    host.write("/etc/caddis/policy.toml", policy, 0o644);
    let found = Attacker::User("alice").run(&host, LIMITS, &["here"]);
    for way in WAYS.iter().filter(|way| **way != "x32 ") {
        assert_eq!(
            found.result(&format!("{way}ring")),
            "refused EPERM",
            "{}",
            found.output
        );
    }
    if WAYS.len() > 1 {
        for name in ["socketcall connector", "socketcall route"] {
            assert_eq!(found.result(name), "refused ENOSYS", "{}", found.output);
        }
    }
}

/// The filter needs no `no_new_privs`, which would take sudo away, and is one for all that is
/// inside.
#[test]
fn a_session_has_one_filter() {
    let host = host();
    let state = "grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status";
    let expected = "NoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n";
    for way in ["run", "root"] {
        let words = [way, "caddis", "root", "sh", "-c", state];
        assert_eq!(host.caddis("alice", &words).run().ok().stdout, expected);
    }
}

//! Whatever goes wrong while logins are turned on, sshd keeps a configuration that it takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_tests::admin_login::{EARLIER, PROGRAM, host, login, sent};
use caddis_tests::{Environments, Untouched};

#[test]
fn a_configuration_that_cannot_be_is_not_left_behind() {
    let host = host();
    let refused = |status: i32, words: &str| {
        let before = host.files();
        login(&host, &["enable", "--group", "proj"])
            .exits(status)
            .says(words);
        host.still_has(&before);
        assert!(!host.exists("/run/caddis-login"));
    };
    host.write(EARLIER, "Bogus yes\n", 0o644);
    refused(1, "Bad configuration option: Bogus");
    for (site, words) in [
        (
            "Match Group proj\n    ForceCommand /bin/false\n",
            "sshd runs `/bin/false` (ForceCommand)",
        ),
        (
            "Match Group proj\n    ChrootDirectory /srv\n",
            "sshd locks them into /srv (ChrootDirectory)",
        ),
        (
            "Match User root\n    ForceCommand /usr/local/bin/caddis-login\n",
            "root is to get the plain host",
        ),
    ] {
        host.write(EARLIER, site, 0o644);
        refused(1, words);
    }
    host.sh(
        "root",
        &format!("rm {EARLIER}; sed -i 's/^Include/#&/' /etc/ssh/sshd_config"),
    )
    .ok();
    refused(1, "put the line `Include /etc/ssh/sshd_config.d/*.conf`");
    // After a Match block it is part of it.
    host.sh("root", "printf 'Match User nobody\\nInclude /etc/ssh/sshd_config.d/*.conf\\n' >>/etc/ssh/sshd_config").ok();
    refused(1, "put the line `Include /etc/ssh/sshd_config.d/*.conf`");
    host.sh("root", "rmdir /etc/ssh/sshd_config.d").ok();
    refused(125, "it is not there, so sshd reads no drop-ins");
}

#[test]
fn one_drop_in_in_force_gives_way_to_no_broken_one() {
    let host = host();
    login(&host, &["enable", "--group", "dave"]).ok();
    host.write(
        EARLIER,
        "Match Group proj\n    ForceCommand /bin/false\n",
        0o644,
    );
    let before = host.files();
    login(&host, &["enable", "--group", "proj"]).exits(1);
    host.still_has(&before);
    assert_eq!(sent(&host), ["dave"]);
}

#[test]
fn what_nobody_could_log_in_with_is_refused() {
    let host = host();
    let refused = |words: &str| {
        let before = host.files();
        login(&host, &["enable"]).exits(125).says(words);
        host.still_has(&before);
    };
    host.sh(
        "root",
        "cp -a /etc/caddis/policy.toml /srv/; echo '[nonsense' >>/etc/caddis/policy.toml",
    )
    .ok();
    refused("read policy: /etc/caddis/policy.toml");
    host.sh(
        "root",
        &format!("mv /srv/policy.toml /etc/caddis/; chmod 775 {PROGRAM}"),
    )
    .ok();
    refused("can be changed by others than root");
    host.sh("root", &format!("chmod 700 {PROGRAM}")).ok();
    refused("cannot be run by everybody");
    host.sh(
        "root",
        &format!("chmod 755 {PROGRAM}; chown alice {PROGRAM}"),
    )
    .ok();
    refused("does not belong to root");
    host.sh(
        "root",
        &format!("mv {PROGRAM} /srv/; ln -s /srv/caddis-login {PROGRAM}"),
    )
    .ok();
    refused("is not a regular file");
    host.sh("root", &format!("rm {PROGRAM}")).ok();
    refused("No such file or directory");
    host.caddis("alice", &["admin", "login", "enable"])
        .run()
        .exits(125)
        .says("only root");
    host.caddis("alice", &["admin", "login", "disable"])
        .run()
        .exits(125)
        .says("only root");
}

/// Whenever it is killed, sshd finds the old drop-in or the new one. Only caddis itself is: what it starts changes nothing.
#[test]
fn killed_anywhere_it_leaves_a_configuration_that_sshd_takes() {
    let host = host();
    let (old, new) = (["dave"], ["alice", "carol"]);
    let mut seen = (0, 0);
    for calls in [
        "write",
        "openat",
        "renameat,renameat2",
        "fsync,fchmod,flock",
        "unlink,unlinkat,rmdir,mkdir",
    ] {
        for number in 1.. {
            login(&host, &["enable", "--no-reload", "--group", "dave"]).ok();
            let inject = format!("inject={calls}:signal=KILL:when={number}");
            let strace = ["strace", "-o", "/dev/null", "-e", &inject];
            let enable = ["caddis", "admin", "login", "enable", "--group", "proj"];
            let killed = host.run("root", &[&strace[..], &enable].concat());
            host.run("root", &["/usr/sbin/sshd", "-t"]).ok();
            match sent(&host) {
                now if now == old => seen.0 += 1,
                now => {
                    assert_eq!(now, new, "killed at {calls} {number}");
                    seen.1 += 1;
                }
            }
            // It did not make that many calls.
            if killed.code() == 0 {
                break;
            }
            killed.exits(128 + 9);
        }
    }
    assert!(seen.0 > 5 && seen.1 > 5, "{seen:?}");
    login(&host, &["disable"]).ok();
    let left = host.sh("root", "ls -A /etc/ssh/sshd_config.d").ok();
    assert_eq!(left.text(), "");
}

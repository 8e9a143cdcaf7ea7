//! The administrator's packages and the user's are brought together while the user's dpkg works, and however often that
//! is cut short.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_tests::packages::{admin, alice, healthy, host, packages, told};
use caddis_tests::{Environments, State};

#[test]
fn while_dpkg_runs_there_nothing_is_touched_and_the_next_refresh_does_it() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb");
    for lock in ["lock", "lock-frontend"] {
        let hold = format!(
            "import fcntl, sys\nf = open('/var/lib/dpkg/{lock}', 'r+')\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint('held', flush=True)\nsys.stdin.read()"
        );
        let mut holder = host
            .caddis("alice", &["root", "python3", "-c", &hold])
            .spawn();
        holder.until("held");
        admin(&host, "dpkg -i /srv/p_2.deb; caddis admin refresh --quiet");
        assert_eq!(packages(&host, "p"), "ii p 1\n");
        assert_eq!(
            told(&host),
            "failed=dpkg or apt is running in the environment\n"
        );
        holder.close_stdin();
        holder.wait();
        admin(&host, "caddis admin refresh --quiet");
        assert_eq!(packages(&host, "p"), "ii p 2\n");
        assert_eq!(told(&host), "");
        admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
        healthy(&host);
    }
    // As dpkg leaves it when it is killed.
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    alice(&host, "dpkg-query -s q > /var/lib/dpkg/updates/0000");
    admin(&host, "dpkg -i /srv/p_2.deb; caddis admin refresh --quiet");
    assert!(
        told(&host).starts_with("failed=dpkg was interrupted; "),
        "{}",
        told(&host)
    );
    assert_eq!(
        host.inside_root(
            "alice",
            "grep -A6 '^Package: p$' /var/lib/dpkg/status | grep Version"
        )
        .ok()
        .text(),
        "Version: 1"
    );
    alice(&host, "dpkg --configure -a");
    admin(&host, "caddis admin refresh --quiet");
    assert_eq!(
        (packages(&host, "p").as_str(), told(&host).as_str()),
        ("ii p 2\n", "")
    );
    healthy(&host);
}

/// dpkg has read the base's packages, has yet to write its own, and meanwhile the base changes.
#[test]
fn a_first_dpkg_that_runs_during_a_refresh_loses_nothing() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    // Its maintainer script waits.
    let script = "mkdir -p /tmp/d/DEBIAN; cd /tmp; dpkg-deb --control /srv/q_3.deb d/DEBIAN; mkfifo go; \
        printf '#!/bin/sh\\necho waiting\\ncat /tmp/go\\n' > d/DEBIAN/preinst; chmod 755 d/DEBIAN/preinst; \
        sed -i d d/DEBIAN/triggers; dpkg-deb --build d q.deb > /dev/null; exec dpkg -i q.deb";
    let mut installing = host.caddis("alice", &["root", "sh", "-c", script]).spawn();
    installing.until("waiting");
    admin(&host, "dpkg -i /srv/p_3.deb; caddis admin refresh --quiet");
    alice(&host, "echo go > /tmp/go");
    installing.wait().ok();
    admin(&host, "caddis admin refresh --quiet");
    assert_eq!(packages(&host, "p q"), "ii p 3\nii q 3\n");
    assert_eq!(told(&host), "");
    healthy(&host);
}

/// Wherever it is cut short: each file is the old or the new one, and the next start makes them one.
#[test]
fn a_merge_that_is_killed_is_done_again() {
    let host = host();
    host.policy("[session]\nlinger = \"0\"\n");
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb; dpkg -i /srv/p_2.deb");
    admin(&host, "caddis admin stop --all");
    let mut cut_short = 0;
    for (round, number) in (1..=9).enumerate() {
        let work = ["apt-get install -y hello", "apt-get purge -y hello"][round % 2];
        admin(
            &host,
            &format!("{work}; dpkg -i /srv/p_{}.deb", 1 + 2 * ((round + 1) % 2)),
        );
        let killed = host
            .caddis_killed_at(
                "alice",
                "fsync,renameat,unlinkat,fcntl",
                number,
                &["run", "true"],
            )
            .run();
        cut_short += usize::from(killed.code() != 0);
        admin(&host, "caddis admin stop --all");
        let expected = if round % 2 == 0 {
            "ii hello 2.10-3\nii p 2\nii q 1\n"
        } else {
            "ii p 2\nii q 1\n"
        };
        assert_eq!(packages(&host, "hello p q"), expected, "{number}");
        healthy(&host);
    }
    assert!(cut_short > 3, "{cut_short}");
}

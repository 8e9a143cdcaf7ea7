//! `caddis doctor`: all is well on a lab host, and what is wrong is named with what to do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, RootKind};
use caddis_tests::{Environments, HELPER, State};

/// What doctor says to alice, and that it finds a fault; the line about `topic`.
fn fault(host: &Host, topic: &str) -> String {
    let said = host.caddis("alice", &["doctor"]).cwd("/").run().exits(1);
    let line = said.stdout.lines().find(|line| {
        line.strip_prefix("FAIL  ")
            .is_some_and(|rest| rest.starts_with(topic))
    });
    line.unwrap_or_else(|| panic!("no FAIL for {topic}\n{said}"))
        .to_owned()
}

#[test]
fn all_is_well_on_an_ordinary_host() {
    let host = Host::start().unwrap();
    let said = host.caddis("alice", &["doctor"]).run().ok();
    let topics = [
        "kernel",
        "namespaces",
        "policy",
        "base",
        "home",
        "access",
        "ids",
        "helper",
        "state directory",
        "run-time directory",
        "veil",
        "id range",
        "environments",
    ];
    for topic in topics {
        let found = said.stdout.lines().any(|line| {
            line.strip_prefix("ok    ")
                .is_some_and(|rest| rest.starts_with(topic))
        });
        assert!(found, "{topic}\n{said}");
    }
    assert_eq!(
        said.stdout
            .lines()
            .filter(|line| !line.starts_with("ok "))
            .count(),
        0,
        "{said}"
    );
    let json = host.sh("alice", "caddis doctor --json | python3 -c 'import json, sys; print({c[\"level\"] for c in json.load(sys.stdin)})'");
    assert_eq!(json.ok().text(), "{'ok'}");
    // Root asks for a user, or about the host alone.
    let for_bob = host.sh("root", "caddis doctor --user bob").ok();
    assert!(
        for_bob.stdout.contains("/home/bob is there")
            && for_bob.stdout.contains("bob may use Caddis"),
        "{for_bob}"
    );
    host.sh("root", "caddis doctor").ok();
    host.sh("alice", "caddis doctor --user bob")
        .exits(125)
        .says("only root may do that");
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    let host = Host::start().unwrap();
    let broken = |make: &str, topic: &str, mend: &str| {
        host.sh("root", make).ok();
        let line = fault(&host, topic);
        host.sh("root", mend).ok();
        host.caddis("alice", &["doctor"]).run().ok();
        line
    };
    let setuid = broken(
        &format!("chmod u-s {HELPER}"),
        "helper",
        &format!("chmod 4755 {HELPER}"),
    );
    assert!(
        setuid.ends_with(&format!(
            "{HELPER} cannot be run as root by everybody -> chmod 4755 {HELPER}"
        )),
        "{setuid}"
    );
    let gone = broken(
        &format!("mv {HELPER} /root/h"),
        "helper",
        &format!("mv /root/h {HELPER}"),
    );
    assert!(
        gone.contains("No such file") && gone.ends_with("-> install Caddis again"),
        "{gone}"
    );
    let owner = broken(
        &format!("chown bob {HELPER}"),
        "helper",
        &format!("chown root {HELPER}; chmod 4755 {HELPER}"),
    );
    assert!(owner.contains("does not belong to root"), "{owner}");
    let mount = broken(
        "mount --bind /usr/local /usr/local; mount -o remount,bind,nosuid /usr/local",
        "helper",
        "umount /usr/local",
    );
    assert!(
        mount.contains("its setuid bit does not count there"),
        "{mount}"
    );

    let text = host.read_text("/etc/caddis/policy.toml");
    host.policy("[session]\nlinger = 5\n");
    let policy = fault(&host, "policy");
    assert!(
        policy.contains("/etc/caddis/policy.toml: line 2, key `session.linger`: ")
            && policy.ends_with("-> `caddis admin policy check` shows every error"),
        "{policy}"
    );
    host.policy("[access]\ndeny_groups = [\"proj\"]\n");
    assert!(fault(&host, "access").contains("proj"));
    host.policy("[ids]\nstart = 4294901000\nfirst_uid = 900\n");
    fault(&host, "ids");
    fault(&host, "id range");
    host.policy(&text);

    let veil = broken(
        "mv /var/lib/caddis/veil /root",
        "veil",
        "mv /root/veil /var/lib/caddis; test ! -d /var/lib/caddis/veil/veil",
    );
    assert!(
        veil.contains("has not been built") && veil.contains("`caddis admin refresh`"),
        "{veil}"
    );
    let state = broken(
        "chmod 755 /var/lib/caddis",
        "state directory",
        "chmod 700 /var/lib/caddis",
    );
    assert!(state.contains("chmod 700 /var/lib/caddis"), "{state}");
    let home = broken("mv /home/alice /home/a", "home", "mv /home/a /home/alice");
    assert!(
        home.contains("/home/alice: No such file or directory -> make it"),
        "{home}"
    );
    let home = broken("chown bob /home/alice", "home", "chown alice /home/alice");
    assert!(
        home.contains("/home/alice does not belong to alice -> chown alice /home/alice"),
        "{home}"
    );
    let ids = broken("useradd -u 2147483700 real", "ids", "userdel real");
    assert!(ids.contains("user real has uid 2147483700"), "{ids}");
    let ids = broken(
        "echo other:2147483648:65536 > /etc/subuid",
        "ids",
        ": > /etc/subuid",
    );
    assert!(ids.contains("other"), "{ids}");
}

#[test]
fn the_base_must_be_fit() {
    let host = Host::builder().root(RootKind::Overlay).start().unwrap();
    let said = host.caddis("alice", &["doctor"]).run().exits(1);
    assert!(
        said.stdout
            .contains("/ is overlay, which cannot be id-mapped or stacked on again"),
        "{said}"
    );
    let refused = host.inside("alice", "true").exits(125);
    refused.says("caddis: cannot show the file system of /: it is overlay, which the kernel can neither id-map nor stack further\n  hint: Caddis needs a local file system as the base");
}

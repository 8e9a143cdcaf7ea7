//! Caddis on a host where systemd runs the services: its unit, and sshd's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::{Environments, Ssh, State, Way};

/// `enable` and `disable` are over when sshd listens again: whoever comes next gets in, and where they belong.
#[test]
fn sshd_is_told_and_listens_when_it_is_said() {
    let host = Host::builder().systemd().start().unwrap();
    let ssh = Ssh::on(host, Way::Plain, "");
    let host = &ssh.host;
    let mut stays = ssh.login();
    let pid = "systemctl show -p MainPID ssh";
    let before = host.sh("root", pid).ok().stdout;
    for _ in 0..5 {
        for (turn, environment) in [("enable --group proj", "default"), ("disable", "")] {
            let script = format!(
                "caddis admin login {turn} && ssh -i ~bob/.ssh/id_ed25519 alice@localhost 'echo \"in [$CADDIS_ENV]\"'"
            );
            let output = host.sh("root", &script).ok();
            assert!(
                output
                    .stdout
                    .contains("sshd has read its configuration again"),
                "{output}"
            );
            assert!(
                output.stdout.ends_with(&format!("in [{environment}]\n")),
                "{output}"
            );
        }
    }
    // It is the same server, and who was there has not noticed.
    assert_eq!(host.sh("root", pid).ok().stdout, before);
    stays.send("exit 4\n");
    stays.wait().exits(4);
}

/// The unit that `make install` puts there, with all that it forbids itself.
#[test]
fn the_watcher_runs_as_a_service() {
    let host = Host::builder().systemd().start().unwrap();
    // Her package database is her own from here on.
    host.inside_root("alice", "apt-get install -y cowsay").ok();
    let mut session = host.session("alice", "echo in; read -r end");
    session.until("in");
    let look = "cat /opt/new; dpkg-query -W -f '${Package}\\n' cowsay hello";
    let seen = || host.inside("alice", look).stdout;
    assert_eq!(seen(), "cowsay\n");
    // It is started when it watches, and a change made then is seen without a word to anybody.
    host.sh("root", "systemctl enable --now caddis-watch").ok();
    host.sh("root", "echo one > /opt/new").ok();
    eventually("the file is seen", || seen() == "one\ncowsay\n");
    host.sh("root", "apt-get install -y hello").ok();
    eventually("the package is there", || seen() == "one\ncowsay\nhello\n");
    // With another policy, after a crash and after an end, and what happened meanwhile.
    host.sh("root", "systemctl reload caddis-watch").ok();
    host.sh("root", "systemctl kill -s KILL caddis-watch").ok();
    eventually("it is there again", || {
        host.sh("root", "systemctl is-active caddis-watch").text() == "active"
    });
    host.sh(
        "root",
        "systemctl stop caddis-watch && echo two > /opt/new && systemctl start caddis-watch",
    )
    .ok();
    eventually("the change is seen", || seen() == "two\ncowsay\nhello\n");
    // What it is forbidden it has not tried: a refusal would be in its log.
    let log = host
        .sh("root", "journalctl -o cat -p warning -u caddis-watch")
        .ok();
    let warnings: Vec<&str> = log
        .stdout
        .lines()
        .filter(|line| !line.contains("killed") && !line.contains("signal"))
        .collect();
    assert!(warnings.is_empty(), "{log}");
    session.send("\n");
    session.wait().ok();
}

#[test]
fn uninstalling_leaves_nothing_to_systemd() {
    let host = Host::builder().systemd().start().unwrap();
    let ssh = Ssh::on(host, Way::ForceCommand, "");
    let host = &ssh.host;
    host.sh("root", "systemctl enable --now caddis-watch").ok();
    ssh.lands();
    assert!(host.exists("/sys/fs/cgroup/caddis") && host.count("caddis-admin watch") == 1);
    host.sh("root", "mkdir -p /srv/scripts /srv/packaging/hooks")
        .ok();
    let script = "/srv/scripts/uninstall";
    host.write(script, include_str!("../../scripts/uninstall"), 0o755);
    let places = include_str!("../../packaging/hooks/places");
    host.write("/srv/packaging/hooks/places", places, 0o644);
    host.command("root", &[script]).env("PURGE", "1").run().ok();
    assert_eq!(host.count("caddis"), 0);
    let units = "systemctl list-units --all --no-legend; systemctl list-unit-files --no-legend; find /sys/fs/cgroup /etc/systemd";
    let left = host.sh("root", units).ok();
    assert!(!left.stdout.contains("caddis"), "{left}");
    // alice is where everybody was before.
    let out = ssh.run("echo \"[$CADDIS_ENV]\"").ok();
    assert_eq!(out.text(), "[]");
}

/// Services of one user share an environment and end without each other, however each of them ends.
#[test]
fn services_run_in_an_environment() {
    let host = Host::builder().systemd().start().unwrap();
    let run = "systemd-run --quiet --uid alice --property WorkingDirectory=/home/alice";
    let status = "caddis run bash -c 'id -un; echo $CADDIS_ENV; pwd; exit 7'";
    let output = host.sh("root", &format!("{run} --pipe --wait {status}"));
    assert_eq!(output.exits(7).stdout, "alice\ndefault\n/home/alice\n");
    for (unit, seconds) in [("one", 1111), ("two", 2222), ("three", 3333)] {
        let start = format!("{run} --unit {unit} caddis run sleep {seconds}");
        host.sh("root", &start).ok();
        host.comes_to(&format!("^sleep {seconds}"), 1);
        host.are_apart(1);
    }
    // By the manager's SIGTERM, and by SIGKILL to all that is in the service's cgroup.
    host.sh("root", "systemctl stop one").ok();
    assert_eq!(host.count("^sleep 1111"), 0);
    host.sh("root", "systemctl kill -s KILL two").ok();
    eventually("it has ended", || host.count("^sleep 2222") == 0);
    let state = "systemctl is-active two three";
    eventually("the manager knows", || {
        host.sh("root", state).stdout == "failed\nactive\n"
    });
    assert_eq!(host.count("^sleep 3333"), 1);
    assert_eq!(
        host.inside("alice", "pgrep -a sleep | cut -d' ' -f2-")
            .text(),
        "sleep 3333"
    );
    // A service without a session is over: process 1, which lingers, is not its.
    host.sh("root", "systemctl stop three").ok();
    assert_eq!(host.count("^caddis-init"), 1);
    let log = host.sh("root", "journalctl -o cat -t caddis").ok();
    assert!(
        log.stdout.contains("start uid=1000 env=default as=user"),
        "{log}"
    );
}

/// A server whose port systemd holds cannot read its configuration again: it is restarted, and who is there stays.
#[test]
fn logins_by_a_socket_of_systemd() {
    let host = Host::builder().systemd().start().unwrap();
    let ssh = Ssh::on(host, Way::Plain, "");
    let host = &ssh.host;
    host.sh(
        "root",
        "systemctl disable --quiet --now ssh && systemctl start ssh.socket",
    )
    .ok();
    // It is started more often here than systemd would have it.
    let turn = |way: &str| {
        let script = format!("systemctl reset-failed ssh && caddis admin login {way}");
        host.sh("root", &script).ok().stdout
    };
    let (enable, disable) = (|| turn("enable"), || turn("disable"));
    let landed = || {
        let asked = ssh.run("echo \"[$CADDIS_ENV]\"").ok();
        asked.text().to_owned()
    };
    // The first connection starts the server.
    assert_eq!(landed(), "[]");
    assert!(enable().contains("sshd has read its configuration again"));
    let mut stays = ssh.terminal(&["-tt", "there"]);
    stays.expect("(default)alice@host:~$ ");
    for _ in 0..3 {
        assert!(disable().contains("sshd has read its configuration again"));
        assert_eq!(landed(), "[]");
        assert!(enable().contains("sshd has read its configuration again"));
        assert_eq!(landed(), "[default]");
    }
    stays.send("exit 4\n");
    stays.wait().exits(4);
    // Where a restart would end sessions it is left to the administrator.
    host.sh("root", "mkdir -p /run/systemd/system/ssh.service.d; \
        printf '[Service]\\nKillMode=control-group\\n' > /run/systemd/system/ssh.service.d/lab.conf; systemctl daemon-reload")
        .ok();
    host.sh("root", "caddis admin login disable")
        .exits(125)
        .says("would end all sessions");
}

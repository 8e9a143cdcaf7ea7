//! systemd's logind and a login that lands in an environment: a session is to it what it is on a plain host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::{Ssh, State, Way, every_way};

every_way!(
    a_session_is_known_and_can_be_ended,
    sessions_end_without_each_other,
    the_run_directory_is_the_logins,
);

/// A host where logind does these things as well.
fn with_logind(way: Way, lines: &str) -> Ssh {
    let host = Host::builder().systemd().start().unwrap();
    let conf = format!("[Login]\nUserStopDelaySec=0\n{lines}");
    host.sh("root", "mkdir -p /etc/systemd/logind.conf.d").ok();
    host.write("/etc/systemd/logind.conf.d/lab.conf", conf, 0o644);
    host.sh("root", "systemctl restart systemd-logind").ok();
    Ssh::on(host, way, "")
}

/// The ids of alice's sessions.
fn sessions(host: &Host) -> Vec<String> {
    let listed = host.sh("root", "loginctl list-sessions --no-legend").ok();
    let lines = listed.stdout.lines();
    let mut sessions: Vec<String> = lines
        .map(|line| {
            assert!(line.contains(" 1000 alice "), "{line}");
            line.split_whitespace().next().unwrap().to_owned()
        })
        .collect();
    sessions.sort();
    sessions
}

/// Process 1 serves all of alice's sessions, and belongs to none; nothing else is there.
fn apart(host: &Host, way: Way) {
    if way != Way::Plain {
        host.are_apart(1);
        let groups = host.sh("root", "ps -o cgroup= -C caddis-init | grep -o '0::.*'");
        assert_eq!(groups.ok().text(), "0::/caddis");
    }
}

/// The cgroup of process 1 has no limit of a session's: nobody but root puts anything there, from outside or inside.
fn apart_is_closed(ssh: &Ssh) {
    let enter = "cd /sys/fs/cgroup/caddis && { for id in 0 $$ 1; do echo $id > cgroup.procs; done; mkdir own; }";
    let there = || {
        let members = "cd /sys/fs/cgroup/caddis; cat cgroup.procs; ls -d */";
        ssh.host.sh("root", members).stdout
    };
    let before = there();
    assert_eq!(before.lines().count(), 1, "{before}");
    ssh.host.sh("alice", enter).fails();
    for inside in [enter.to_owned(), format!("sudo sh -c '{enter}'")] {
        ssh.run(&inside).fails();
    }
    assert_eq!(there(), before);
}

fn a_session_is_known_and_can_be_ended(way: Way) {
    let ssh = with_logind(way, "");
    let host = &ssh.host;
    assert_eq!(sessions(host).len(), 0);
    let mut first = ssh.login();
    let [one] = sessions(host).try_into().unwrap();
    let show = "loginctl show-session --value -p Name -p TTY -p Remote -p Service -p Type -p State";
    let known = host.sh("root", &format!("{show} {one}")).ok();
    assert_eq!(known.stdout, "alice\npts/1\nyes\nsshd\ntty\nactive\n");
    // Who asks inside is told the same, and what they run there belongs to it.
    first.send("echo \"session [$XDG_SESSION_ID]\"; sleep infinity\n");
    first.expect(&format!("session [{one}]"));
    host.comes_to("^sleep infinity", 1);
    apart(host, way);
    let groups = host.sh("root", "ps -o cgroup= -t pts/1 | grep -o '0::.*' | sort -u");
    let scope = format!("0::/user.slice/user-1000.slice/session-{one}.scope");
    assert_eq!(groups.ok().text(), scope);
    if way != Way::Plain {
        apart_is_closed(&ssh);
    }
    let mut second = ssh.login();
    let two = sessions(host).into_iter().find(|id| *id != one).unwrap();
    // The administrator ends one of them, whatever runs in it, and nothing else.
    host.sh("root", &format!("loginctl terminate-session {one}"))
        .ok();
    first.wait().exits(255);
    eventually("the first is gone", || sessions(host) == [two.clone()]);
    eventually("what it ran is gone", || host.count("^sleep infinity") == 0);
    second.send("echo still $((1 + 1)); exit 3\n");
    second.expect("still 2");
    second.wait().exits(3);
    eventually("all are gone", || sessions(host).is_empty());
    ssh.lands();
}

/// Also where logind kills what a session leaves: that one's, and no other's.
fn sessions_end_without_each_other(way: Way) {
    let ssh = with_logind(way, "KillUserProcesses=yes\n");
    let host = &ssh.host;
    let mut first = ssh.login();
    first.send("setsid -f sleep 1111 < /dev/null; sleep 2222 & disown -a; echo left\n");
    first.expect("\r\nleft");
    host.comes_to("^sleep [12]", 2);
    apart(host, way);
    let mut second = ssh.login();
    second.send("sleep 3333 & mkdir work; cd work; echo in $PWD\n");
    second.expect("in /home/alice/work");
    host.comes_to("^sleep 3", 1);
    first.send("exit\n");
    first.wait().ok();
    eventually("one is left", || sessions(host).len() == 1);
    eventually("what it left is gone", || host.count("^sleep [12]") == 0);
    second.send("touch file; echo still in ${PWD##*/} $(pgrep -xc sleep)\n");
    second.expect("still in work 1");
    second.send("exit 3\n");
    second.wait().exits(3);
    eventually("none is left", || sessions(host).is_empty());
    eventually("nothing is left", || host.count("^sleep") == 0);
    assert!(host.exists("/home/alice/work/file"));
    ssh.lands();
}

/// `/run/user/UID` comes with a user's first session and goes with the last, while an environment may stay.
fn the_run_directory_is_the_logins(way: Way) {
    let ssh = with_logind(way, "");
    let host = &ssh.host;
    for round in ["one", "two"] {
        let mut login = ssh.login();
        login.send(&format!(
            "echo {round} > $XDG_RUNTIME_DIR/file; stat -c '%a %U' $XDG_RUNTIME_DIR; ls $XDG_RUNTIME_DIR | tr '\\n' ' '; echo; echo done\n"
        ));
        login.expect("700 alice\r\nbus file systemd \r\ndone");
        assert_eq!(host.read_text("/run/user/1000/file"), format!("{round}\n"));
        // The user's own systemd is reached by it, and is the host's: what it starts is there.
        login.send(&format!(
            "systemd-run --user --quiet --wait touch /var/tmp/{round}; ls /var/tmp/{round} | wc -l; echo started\n"
        ));
        login.expect(match way {
            Way::Plain => "\r\n1\r\nstarted",
            Way::ForceCommand | Way::Shell => "\r\n0\r\nstarted",
        });
        assert!(host.exists(&format!("/var/tmp/{round}")));
        login.send("exit\n");
        login.wait().ok();
        eventually("the directory is gone", || !host.exists("/run/user/1000"));
    }
    ssh.lands();
}

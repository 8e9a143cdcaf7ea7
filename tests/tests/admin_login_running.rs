//! Logins are turned on and off under a running sshd, which is told of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, eventually};
use caddis_tests::admin_login::{DROP_IN, EARLIER, Shows, host, login, sent};

/// A server whose output is read.
fn started(host: &Host) -> HostChild {
    let mut sshd = host.spawn("root", "exec /usr/sbin/sshd -D -e 2>&1");
    ready(host, &mut sshd);
    sshd
}

/// It listens, and has said in its file who it is.
fn ready(host: &Host, sshd: &mut HostChild) {
    sshd.until("Server listening on :: port 22");
    eventually("sshd writes its pid", || {
        let pid = host.text_if_there("/run/sshd.pid");
        pid.is_some_and(|pid| pid.ends_with('\n'))
    });
}

/// It has read its configuration again, and listens.
fn restarted(host: &Host, sshd: &mut HostChild) {
    sshd.until("Received SIGHUP; restarting");
    ready(host, sshd);
}

/// All the way, with a client.
#[test]
fn a_login_leads_where_it_is_said_to() {
    let host = host();
    let mut sshd = started(&host);
    for user in ["alice", "bob", "dave", "root"] {
        let keys = "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys";
        host.sh(user, &format!("mkdir -p -m 700 ~/.ssh && {keys}"))
            .ok();
    }
    let environment = |user: &str| {
        let options = "-o StrictHostKeyChecking=no -o BatchMode=yes";
        let ask = format!("ssh {options} {user}@localhost 'echo in:$CADDIS_ENV'");
        host.sh(user, &ask).ok().text().to_owned()
    };
    let mut reloaded = |arguments: &[&str]| {
        login(&host, arguments).ok();
        restarted(&host, &mut sshd);
    };
    reloaded(&["enable", "--group", "proj"]);
    assert_eq!(environment("alice"), "in:default");
    for user in ["bob", "dave", "root"] {
        assert_eq!(environment(user), "in:", "{user}");
    }
    reloaded(&["disable"]);
    assert_eq!(environment("alice"), "in:");
}

#[test]
fn the_running_sshd_is_told() {
    let host = host();
    let mut sshd = started(&host);
    login(&host, &["enable", "--no-reload"])
        .ok()
        .shows("was not told");
    login(&host, &["enable"])
        .ok()
        .shows("sshd has read its configuration again");
    restarted(&host, &mut sshd);
    login(&host, &["disable"])
        .ok()
        .shows("sshd has read its configuration again");
    restarted(&host, &mut sshd);
}

#[test]
fn a_process_that_is_not_sshd_gets_no_signal() {
    let host = host();
    let mut other = host.spawn(
        "root",
        "trap 'exit 7' HUP; echo $$; while read -r word; do echo $word; done",
    );
    let pid = other.line();
    host.write("/run/sshd.pid", format!("{}\n", pid.trim()), 0o644);
    login(&host, &["enable"])
        .exits(125)
        .says("does not run /usr/sbin/sshd");
    assert_eq!(sent(&host), ["alice", "carol", "dave"]);
    other.send("alive\n");
    assert_eq!(other.line().trim(), "alive");
    for text in ["", "x\n", "0\n", "-1\n", "99999999999\n"] {
        host.write("/run/sshd.pid", text, 0o644);
        login(&host, &["enable"])
            .exits(125)
            .says("holds no process id");
    }
    // A signal would have made it 7.
    other.wait().ok();
}

/// Turning off always works; sshd is told only if it would survive.
#[test]
fn a_broken_configuration_is_no_reason_to_stay_on() {
    let host = host();
    login(&host, &["enable"]).ok();
    let mut sshd = started(&host);
    host.write(EARLIER, "Bogus yes\n", 0o644);
    login(&host, &["disable"])
        .exits(125)
        .says("the running sshd was not told");
    assert!(!host.exists(DROP_IN));
    host.sh("root", &format!("rm {EARLIER}")).ok();
    login(&host, &["disable"])
        .ok()
        .shows("sshd has read its configuration again");
    // It has lived through all of it.
    restarted(&host, &mut sshd);
    assert_eq!(sent(&host), [""; 0]);
}

//! `caddis-helper session --login`: what a login is to the policy, and what is said to who cannot get in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::{Environments, HELPER, State};

fn session(host: &Host, options: &[&str], command: &[&str]) -> Output {
    let words = [HELPER, "session", "--home", "/home/alice"];
    host.run("alice", &[&words, options, &["--"], command].concat())
}

#[test]
fn what_a_login_leaves_may_go_on_as_long_as_the_policy_says() {
    let host = Host::start().unwrap();
    host.policy_in_force("[login]\nbackground = \"1h\"\n[session]\nbackground = \"0\"\n");
    let leave = [
        "sh",
        "-c",
        "setsid sleep 1000 > /dev/null 2>&1 < /dev/null &",
    ];
    let gone = || host.caddis("alice", &["remove", "--yes", "default"]).run();
    // By the start of an instance.
    session(&host, &["--login"], &leave).ok();
    gone()
        .exits(125)
        .says("processes go on in it without a session");
    host.caddis("alice", &["stop"]).run().ok();
    gone().ok();
    // Without a login they end.
    session(&host, &[], &leave).ok();
    gone().ok();
    // By a join.
    let mut keeper = host.session("alice", "echo; read -r end");
    keeper.line();
    session(&host, &["--login"], &leave).ok();
    keeper.send("end\n");
    keeper.wait().ok();
    gone()
        .exits(125)
        .says("processes go on in it without a session");
}

#[test]
fn who_cannot_get_in_is_told_what_to_do() {
    let host = Host::start().unwrap();
    let administrator =
        "the administrator of host can help, and finds this message in its system log";
    let plain = "log in to the plain host with `ssh -t host caddis-login --host`";
    let failures = |way: &str, other: &str| {
        for (options, command, status) in [
            (&["--login"][..], &["/nowhere"][..], 127),
            (&["--login"], &["/etc/passwd"], 126),
            (&["--login", "--files", "1"], &["true"], 125),
            (&["--login", "--for", "1001:1001"], &["true"], 125),
        ] {
            let output = session(&host, options, command).exits(status).says(way);
            assert!(!output.stderr.contains(other), "{output}");
        }
    };
    failures(administrator, plain);
    host.policy("[login]\nhost = true\n");
    failures(plain, administrator);
    // What there is to say of the failure itself stays first.
    host.policy("[login]\nhost = true\n[access]\ndeny_users = [\"alice\"]\n");
    session(&host, &["--login"], &["true"])
        .exits(125)
        .says("hint: the administrator decides who may; or log in to the plain host");
    // Nobody can tell what a policy promises that cannot be read.
    host.policy("[login]\nhost = true\nhots = false\n");
    session(&host, &["--login"], &["true"])
        .exits(125)
        .says("`caddis admin policy check`; or the administrator of host can help");
    host.policy("");
    // Of other sessions nothing of that is said.
    let output = session(&host, &[], &["/nowhere"]).exits(127);
    assert!(!output.stderr.contains("hint"), "{output}");
}

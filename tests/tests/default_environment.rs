//! The environment that is meant where none is named: the user's setting, else "default"; for a login, what the policy
//! says comes between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::{Environments, HELPER, State};

const STATE: &str = "/var/lib/caddis/env/1000";

fn caddis(host: &Host, arguments: &[&str]) -> Output {
    host.caddis("alice", arguments).run()
}

/// The environment that `caddis run` leads to.
fn reached(host: &Host) -> String {
    host.inside("alice", "echo $CADDIS_ENV")
        .ok()
        .text()
        .to_owned()
}

/// The environment that a login leads to.
fn logged_in(host: &Host) -> String {
    let words = [HELPER, "session", "--login", "--home", "/home/alice", "--"];
    let command = ["sh", "-c", "echo $CADDIS_ENV"];
    host.run("alice", &[&words[..], &command].concat())
        .ok()
        .text()
        .to_owned()
}

#[test]
fn the_users_setting_holds_for_every_command() {
    let host = Host::start().unwrap();
    caddis(&host, &["config", "default"]).exits(1);
    assert_eq!(reached(&host), "default");
    caddis(&host, &["config", "default=project"]).ok();
    assert_eq!(caddis(&host, &["config", "default"]).ok().text(), "project");
    // It is made when it is used first, not before.
    assert!(!host.exists(&format!("{STATE}/project")));
    caddis(&host, &["status"])
        .exits(125)
        .says("\"project\": there is none of that name");
    assert_eq!(reached(&host), "project");
    host.inside_root("alice", "echo mine > /etc/mine").ok();
    assert_eq!(
        host.read_text(&format!("{STATE}/project/@/etc/mine")),
        "mine\n"
    );
    // What shows a name shows the real one.
    let status = caddis(&host, &["status"]).ok();
    assert!(
        status.stdout.starts_with("Environment project: "),
        "{status}"
    );
    assert_eq!(caddis(&host, &["diff"]).ok().text(), "A  /etc/mine");
    assert!(
        !caddis(&host, &["diff", "--packages"])
            .ok()
            .stdout
            .contains("mine")
    );
    caddis(&host, &["config", "login=root"]).ok();
    assert_eq!(
        caddis(&host, &["config"]).ok().stdout,
        "default=project\nlogin=root\n"
    );
    assert_eq!(
        caddis(&host, &["config", "-e", "project"]).ok().stdout,
        "login=root\n"
    );
    assert_eq!(caddis(&host, &["config", "-e", "default"]).ok().stdout, "");
    let tried = caddis(&host, &["try", "--keep", "--root", "touch", "/etc/tried"]).ok();
    assert!(tried.stderr.contains("/etc/tried"), "{tried}");
    assert!(host.exists(&format!("{STATE}/project/@/etc/tried")));
    caddis(&host, &["revert", "/etc/tried"]).ok();
    assert!(!host.exists(&format!("{STATE}/project/@/etc/tried")));
    // `stop` ends that one.
    let mut session = host.session("alice", "echo $CADDIS_ENV; exec cat");
    assert_eq!(session.line(), "project");
    caddis(&host, &["stop"]).ok();
    session.wait().exits(143);
    // What is named is meant, and inside an environment the one we are in.
    assert_eq!(
        caddis(
            &host,
            &[
                "run",
                "-e",
                "default",
                "caddis",
                "root",
                "printenv",
                "CADDIS_ENV"
            ]
        )
        .ok()
        .text(),
        "default"
    );
    // Removing it is no harm: it is made anew.
    caddis(&host, &["remove", "--yes", "project"]).ok();
    assert_eq!(reached(&host), "project");
    caddis(&host, &["config", "default="]).ok();
    caddis(&host, &["config", "default"]).exits(1);
    assert_eq!(reached(&host), "default");
    // Each user has their own.
    caddis(&host, &["config", "default=project"]).ok();
    assert_eq!(
        host.inside("bob", "echo $CADDIS_ENV").ok().text(),
        "default"
    );
    let asked = "caddis run --user alice printenv CADDIS_ENV; caddis status --user alice | head -1";
    let asked = host.sh("root", asked).ok();
    assert!(asked.stdout.starts_with("project\n"), "{asked}");
    assert!(asked.stdout.contains("Environment project"), "{asked}");
}

#[test]
fn the_one_used_last() {
    let host = Host::start().unwrap();
    caddis(&host, &["config", "default=@last"]).ok();
    // None was: then it is the one that is always meant.
    caddis(&host, &["new", "unused"]).ok();
    assert_eq!(reached(&host), "default");
    for name in ["a", "b"] {
        caddis(&host, &["run", "-e", name, "true"]).ok();
        assert_eq!(reached(&host), name);
    }
    assert_eq!(logged_in(&host), "b");
    // Neither a setting nor a new one is a use.
    caddis(&host, &["config", "-e", "a", "hostname=x"]).ok();
    caddis(&host, &["new", "c", "--from", "a"]).ok();
    assert_eq!(reached(&host), "b");
    let stopped = caddis(&host, &["stop"]).ok();
    assert_eq!(stopped.stderr, "");
    assert_eq!(host.first_process(1000, "b"), None);
    caddis(&host, &["remove", "--yes", "b"]).ok();
    assert_ne!(reached(&host), "b");
}

#[test]
fn a_login_asks_the_policy_as_well() {
    let host = Host::start().unwrap();
    host.policy("[login]\nenvironment = \"work\"\n");
    assert_eq!(logged_in(&host), "work");
    assert_eq!(reached(&host), "default");
    caddis(&host, &["config", "default=mine"]).ok();
    assert_eq!(
        (logged_in(&host), reached(&host)),
        ("mine".into(), "mine".into())
    );
    caddis(&host, &["config", "default="]).ok();
    host.policy("[login]\nenvironment = \"@last\"\n");
    assert_eq!(logged_in(&host), "mine");
    caddis(&host, &["run", "-e", "work", "true"]).ok();
    assert_eq!(logged_in(&host), "work");
}

#[test]
fn a_setting_is_checked_and_a_broken_file_is_none() {
    let host = Host::start().unwrap();
    for bad in [
        "default=@first",
        "default=../x",
        "default=.x",
        "default=a b",
        "default=a\nlogin=root",
    ] {
        caddis(&host, &["config", bad])
            .exits(125)
            .says("is not the name of an environment, or @last");
    }
    // A refusal leaves nothing behind, and looking does not either.
    caddis(&host, &["config", "default"]).exits(1);
    assert!(!host.exists(STATE));
    let both = caddis(&host, &["config", "-e", "x", "default=y"]).exits(2);
    both.says("not one of an environment");
    host.run("alice", &[HELPER, "config", "x", "default=y"])
        .exits(125);
    host.run("alice", &[HELPER, "config", "--own", "login=root"])
        .exits(125)
        .says("there is no such key");
    caddis(&host, &["config", "default=x"]).ok();
    let mode = format!("stat -c '%a %u' {STATE}/.config");
    assert_eq!(host.sh("root", &mode).ok().text(), "600 0");
    // It is no environment to anybody.
    assert_eq!(caddis(&host, &["list", "--names"]).ok().stdout, "");
    host.sh(
        "root",
        "caddis admin list --all; caddis admin refresh; caddis doctor >/dev/null; true",
    )
    .ok();
    host.write(
        &format!("{STATE}/.config"),
        "default=../..\nrubbish\n",
        0o600,
    );
    assert_eq!(reached(&host), "default");
}

/// Of several changes at the same time each is whole, and a login meanwhile finds one of them.
#[test]
fn settings_are_never_half_written() {
    let host = Host::start().unwrap();
    caddis(&host, &["config", "default=first"]).ok();
    let script = "caddis run -e first true; for n in $(seq 60); do (caddis config default=x$n || echo failed) & (caddis config -e first hostname=x$n || echo failed) & \
        (caddis config default || echo none) > /dev/shm/read$n & done; wait; cat /dev/shm/read*";
    let output = host.sh("alice", script).ok();
    assert_eq!(output.stdout.lines().count(), 60, "{output}");
    for value in output.stdout.lines() {
        assert!(value == "first" || value.starts_with('x'), "{output}");
    }
    let left = host.sh(
        "root",
        "ls -A /var/lib/caddis/env/1000 /var/lib/caddis/env/1000/first | grep -c new",
    );
    assert_eq!(left.text(), "0");
}

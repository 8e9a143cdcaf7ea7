//! Environments as their owner handles them: new, list, ps, config, stop, remove.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output, Signal, eventually};
use caddis_tests::{Environments, State};

const STATE: &str = "/var/lib/caddis/env/1000";

/// What a Python expression makes of the JSON (`j`) that `caddis WORDS --json` prints for alice.
fn json(host: &Host, words: &str, expression: &str) -> String {
    let python = "import json, os, sys; j = json.load(sys.stdin); print(eval(os.environ['ASK']))";
    let script = format!("set -o pipefail; caddis {words} --json | python3 -c \"{python}\"");
    let command = host.command("alice", &["bash", "-c", &script]);
    command.env("ASK", expression).run().ok().text().to_owned()
}

fn caddis(host: &Host, words: &[&str]) -> Output {
    host.caddis("alice", words).run()
}

#[test]
fn first_use_makes_an_environment_and_new_makes_one_without_using_it() {
    let host = Host::start().unwrap();
    let none = caddis(&host, &["list"]).ok().says("No environments yet");
    assert_eq!(none.stdout, "");
    assert_eq!(json(&host, "list", "j"), "[]");
    caddis(&host, &["run", "true"]).ok();
    caddis(&host, &["run", "-e", "second", "true"]).ok();
    caddis(&host, &["new", "third"]).ok();
    assert_eq!(
        json(&host, "list", "[e['name'] for e in j]"),
        "['default', 'second', 'third']"
    );
    assert_eq!(
        json(
            &host,
            "list",
            "[(e['name'], e['state'], e['used'] is None, e['uid']) for e in j]"
        ),
        "[('default', 'idle', False, 1000), ('second', 'idle', False, 1000), ('third', 'stopped', True, 1000)]"
    );
    let mut session = host.session("alice", "echo; cat");
    session.line();
    let state = "[(e['state'], e['sessions']) for e in j][0]";
    assert_eq!(json(&host, "list", state), "('running', 1)");
    let table = caddis(&host, &["list"]).ok();
    let lines: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0][..3], ["NAME", "STATE", "SESSIONS"]);
    assert_eq!(lines[1][..3], ["default", "running", "1"]);
    assert_eq!((lines[3][0], lines[3].last()), ("third", Some(&"never")));
    // Nobody else sees them.
    assert_eq!(host.sh("bob", "caddis list --json").ok().text(), "[]");
    caddis(&host, &["new", "third"])
        .exits(125)
        .says("cannot create the environment third: it exists already");
    caddis(&host, &["new", "fourth", "--from", "nothing"])
        .exits(125)
        .says("there is none of that name");
    assert!(!host.exists(&format!("{STATE}/fourth")));
}

#[test]
fn a_new_environment_takes_at_most_16_kib() {
    let host = Host::start().unwrap();
    let size = |name: &str| -> u64 {
        let du = format!("du -s --block-size=1 {STATE}/{name} | cut -f 1");
        host.sh("root", &du).ok().text().parse().unwrap()
    };
    caddis(&host, &["new", "empty"]).ok();
    assert!(size("empty") <= 16 << 10, "{}", size("empty"));
    caddis(&host, &["run", "-e", "used", "true"]).ok();
    assert!(size("used") <= 16 << 10, "{}", size("used"));
    assert_eq!(
        json(&host, "list", "[e['bytes'] for e in j]"),
        format!("[{}, {}]", size("empty"), size("used"))
    );
    // What is looked at is not copied, what is written is.
    caddis(
        &host,
        &[
            "run",
            "-e",
            "used",
            "sh",
            "-c",
            "ls -lR /etc > /dev/null; cat /etc/passwd > /dev/null",
        ],
    )
    .ok();
    assert!(size("used") <= 16 << 10, "{}", size("used"));
    caddis(
        &host,
        &[
            "root",
            "-e",
            "used",
            "sh",
            "-c",
            "head -c 1000000 /dev/urandom > /etc/big; sync /etc/big",
        ],
    )
    .ok();
    assert!(
        (1_000_000..1_100_000).contains(&size("used")),
        "{}",
        size("used")
    );
}

#[test]
fn names_are_checked_before_anything_happens() {
    let host = Host::start().unwrap();
    let long = "n".repeat(64);
    for good in ["a", "0", "a.b-c_D", "default", "1..2", &long] {
        caddis(&host, &["new", good]).ok();
        caddis(&host, &["run", "-e", good, "printenv", "CADDIS_ENV"]).ok();
    }
    let known = json(&host, "list", "len(j)");
    let (longer, longest) = ("n".repeat(65), "n".repeat(300));
    for bad in [
        "",
        ".",
        "..",
        ".x",
        "_x",
        "a/b",
        "/a",
        "a b",
        "a\nb",
        "ä",
        "a\u{1b}[31m",
        "@",
        &longer,
        &longest,
    ] {
        for words in [
            vec!["new", bad],
            vec!["new", "x", "--from", bad],
            vec!["remove", "--yes", bad],
            vec!["stop", bad],
            vec!["ps", bad],
            vec!["config", "-e", bad],
        ] {
            let refused = caddis(&host, &words).exits(2).says("environment name");
            assert!(!refused.stderr.contains('\u{1b}'), "{refused}");
        }
        for command in ["run", "root"] {
            caddis(&host, &[command, "-e", bad, "true"])
                .exits(125)
                .says("environment name");
        }
    }
    host.sh("alice", "caddis new -x").exits(2);
    host.sh("alice", "caddis new $'\\xff'")
        .exits(2)
        .says("environment name");
    assert_eq!(json(&host, "list", "len(j)"), known);
}

#[test]
fn remove_asks_on_a_terminal_and_refuses_elsewhere() {
    let host = Host::start().unwrap();
    caddis(&host, &["root", "-e", "trial", "touch", "/etc/mine"]).ok();
    let there = || host.exists(&format!("{STATE}/trial"));
    caddis(&host, &["remove", "trial"])
        .exits(125)
        .says("there is no terminal to ask on")
        .says("--yes");
    for (answer, removed) in [
        ("n", false),
        ("", false),
        ("perhaps", false),
        ("\x04", false),
        ("y", true),
    ] {
        let mut pty = host.pty("alice", &["caddis", "remove", "trial"]);
        pty.expect("Remove `trial` (");
        pty.expect(" of changes) for good? [y/N] ");
        pty.send(&format!("{answer}\n"));
        pty.wait().exits(i32::from(!removed));
        assert_eq!(there(), !removed, "after {answer:?}");
    }
    let mut pty = host.pty("alice", &["caddis", "remove", "trial"]);
    pty.expect("caddis: remove `trial`: there is no such environment");
    pty.wait().exits(125);
    // Several at once: what can be removed is, and what cannot is named.
    for name in ["a", "b"] {
        caddis(&host, &["new", name]).ok();
    }
    let several = caddis(&host, &["remove", "--yes", "a", "nothing", "b"]).exits(125);
    several.says("cannot find the environment \"nothing\"");
    assert_eq!(
        host.sh("root", &format!("ls -A -I .account {STATE} /run/caddis"))
            .ok()
            .text(),
        format!("/run/caddis:\n.state\n\n{STATE}:")
    );
    // A name that was removed can be used again, and nothing of the former one is in it.
    caddis(&host, &["run", "-e", "trial", "cat", "/etc/mine"])
        .fails()
        .says("No such file");
}

#[test]
fn remove_refuses_while_sessions_run_unless_forced() {
    let host = Host::start().unwrap();
    let before = host.mounts();
    let mut session = host.session("alice", "echo; exec cat");
    session.line();
    let refused = caddis(&host, &["remove", "--yes", "default"]).exits(125);
    refused.says(
        "caddis: cannot remove the environment \"default\": sessions are running in it\n  hint: ",
    );
    assert!(!session.has_ended());
    caddis(&host, &["remove", "--yes", "--force", "default"]).ok();
    session.wait().exits(143);
    assert!(!host.exists(&format!("{STATE}/default")));
    // One that only lingers is no obstacle.
    caddis(&host, &["run", "true"]).ok();
    assert!(host.first_process(1000, "default").is_some());
    caddis(&host, &["remove", "--yes", "default"]).ok();
    assert_eq!(host.count("caddis-init"), 0);
    assert_eq!(host.mounts(), before);
    // While it is removed over and over, every session that nobody kills still gets an environment.
    let race = "for i in {1..20}; do caddis remove --yes --force default & caddis run true & wait; done 2>&1";
    let raced = host.sh("alice", race).ok();
    for line in raced.stdout.lines() {
        let removal = line.contains("cannot find the environment")
            || line.contains("`caddis list` shows yours");
        assert!(removal, "{raced}");
    }
    caddis(&host, &["run", "true"]).ok();
}

#[test]
fn ps_shows_what_runs_by_inner_and_outer_number() {
    let host = Host::start().unwrap();
    let mut session = host.session("alice", "echo $$; export N=$(printf 'odd\\t\\033name'); setsid -f bash -c 'exec -a \"$N\" sleep infinity'; caddis root sleep 1000; :");
    let first = session.line();
    let ask = "sorted((p['env'], p['user'], p['uid'], p['command'].split(' ')[0], p['session']) for p in j)";
    let rows = format!(
        "[('default', 0, 1000, 'sleep', {first}), ('default', 1000, 1000, 'bash', {first}), ('default', 1000, 1000, 'odd\\t\\x1bname', None)]"
    );
    // Not before each of them has become what it is.
    eventually(&rows, || json(&host, "ps", ask) == rows);
    // The numbers are right, outside and inside.
    let pairs = json(
        &host,
        "ps",
        "'\\n'.join(f\"{p['host_pid']} {p['pid']}\" for p in j)",
    );
    for pair in pairs.lines() {
        let (outside, inside) = pair.split_once(' ').unwrap();
        let status = host
            .sh("root", &format!("grep NSpid /proc/{outside}/status"))
            .ok();
        assert_eq!(
            status.text().split_whitespace().last(),
            Some(inside),
            "{status}"
        );
    }
    let table = caddis(&host, &["ps"]).ok();
    assert!(
        table.stdout.starts_with("ENV") && !table.stdout.contains('\u{1b}'),
        "{table}"
    );
    assert!(
        table.stdout.contains(" root ") && table.stdout.contains(" alice "),
        "{table}"
    );
    assert_eq!(host.sh("bob", "caddis ps --json").ok().text(), "[]");
    caddis(&host, &["ps", "nothing"])
        .exits(125)
        .says("there is none of that name");
    assert_eq!(json(&host, "ps default", "len(j)"), "3");
    drop(session);
    eventually("nothing runs", || json(&host, "ps", "j") == "[]");
}

#[test]
fn stop_ends_everything_gently_then_firmly() {
    let host = Host::start().unwrap();
    let mut gentle = host.session(
        "alice",
        "trap 'echo ending; exit 7' TERM; echo; while :; do read -rt 1000; done",
    );
    gentle.line();
    let mut other = host
        .caddis(
            "alice",
            &[
                "run",
                "-e",
                "other",
                "sh",
                "-c",
                "trap '' TERM; echo; exec cat",
            ],
        )
        .spawn();
    other.line();
    caddis(&host, &["stop"]).ok();
    assert!(gentle.wait().exits(7).stdout.ends_with("ending\n"));
    assert_eq!(host.first_process(1000, "default"), None);
    assert!(!other.has_ended());
    let mut stubborn = host.session(
        "alice",
        "trap '' TERM HUP INT; echo; while :; do read -rt 1000; done",
    );
    stubborn.line();
    // Who takes longer than that is killed; those above had the ten seconds that are the default.
    host.policy("[session]\nstop_grace = \"300ms\"\n");
    caddis(&host, &["stop", "--all"]).ok();
    stubborn.wait().exits(137);
    other.wait().exits(137);
    assert_eq!(host.count("caddis-init"), 0);
    // Process 1 sees to the end even when the one who asked for it is gone.
    host.policy("[session]\nstop_grace = \"2s\"\n");
    let mut session = host.session(
        "alice",
        "trap 'echo asked' TERM; echo; while :; do read -rt 1000; done",
    );
    session.line();
    let mut asking = host.caddis("alice", &["stop"]).spawn();
    assert_eq!(session.line(), "asked");
    asking.kill(Signal::KILL);
    asking.wait().exits(137);
    caddis(&host, &["run", "true"]).ok();
    session.wait().exits(137);
    // What is stopped stays so, and stopping it again is no error; what is not there is one.
    caddis(&host, &["stop"]).ok();
    caddis(&host, &["stop", "nothing"])
        .exits(125)
        .says("there is none of that name");
    caddis(&host, &["run", "true"]).ok();
}

#[test]
fn settings_of_an_environment() {
    let host = Host::start().unwrap();
    caddis(&host, &["config"])
        .exits(125)
        .says("there is none of that name");
    caddis(&host, &["new", "default"]).ok();
    assert_eq!(caddis(&host, &["config"]).ok().stdout, "");
    assert_eq!(host.inside("alice", "hostname").ok().text(), "host");
    caddis(&host, &["config", "hostname=my-box.lab"]).ok();
    assert_eq!(
        caddis(&host, &["config"]).ok().stdout,
        "hostname=my-box.lab\n"
    );
    assert_eq!(
        caddis(&host, &["config", "hostname"]).ok().stdout,
        "my-box.lab\n"
    );
    // From the next start on.
    assert_eq!(host.inside("alice", "hostname").ok().text(), "host");
    caddis(&host, &["stop"]).ok();
    assert_eq!(
        host.inside("alice", "hostname; uname -n").ok().stdout,
        "my-box.lab\nmy-box.lab\n"
    );
    host.inside_root("alice", "hostname other").ok();
    assert_eq!(host.inside("alice", "hostname").ok().text(), "other");
    assert_eq!(host.sh("alice", "hostname").ok().text(), "host");
    assert_eq!(
        host.sh("alice", "caddis run -e second hostname")
            .ok()
            .text(),
        "host"
    );

    let whoami = || {
        host.caddis("alice", &["enter"])
            .stdin("id -u; echo $CADDIS_ENV\n")
            .run()
            .ok()
            .stdout
    };
    assert_eq!(whoami(), "1000\ndefault\n");
    caddis(&host, &["config", "login=root"]).ok();
    assert_eq!(whoami(), "0\ndefault\n");
    assert_eq!(host.inside("alice", "id -u").ok().text(), "1000");
    caddis(&host, &["config", "login="]).ok();
    assert_eq!(whoami(), "1000\ndefault\n");
    caddis(&host, &["config", "login"]).exits(1);

    for bad in [
        "hostname=a b",
        "hostname=-x",
        "hostname=a..b",
        "login=bob",
        "colour=red",
        "colour",
        "=x",
        "hostname=x\ny",
    ] {
        let refused = caddis(&host, &["config", bad]).exits(125);
        assert!(
            refused.stderr.starts_with("caddis: cannot set ")
                && refused.stderr.lines().count() == 1,
            "{refused}"
        );
    }
    assert_eq!(
        caddis(&host, &["config"]).ok().stdout,
        "hostname=my-box.lab\n"
    );
    // A copy has the settings of its original.
    caddis(&host, &["stop"]).ok();
    caddis(&host, &["new", "copy", "--from", "default"]).ok();
    assert_eq!(
        caddis(&host, &["config", "-e", "copy"]).ok().stdout,
        "hostname=my-box.lab\n"
    );
}

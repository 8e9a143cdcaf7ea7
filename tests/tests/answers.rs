//! The helper writes as its caller: the caller chooses where its standard output and standard error
//! lead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_helper::arguments::VERBS;
use caddis_lab::{Host, HostChild};
use caddis_tests::{Environments, HELPER, State};

const DEAF: &str = "/usr/local/bin/deaf";
const CREDENTIALS: &str = "/usr/local/bin/credentials";

/// A request of alice's about which the helper has something to say.
struct Row {
    words: &'static [&'static str],
    /// It is said by the command's process, which is to be container root.
    by_root: bool,
}

const fn row(words: &'static [&'static str]) -> Row {
    let by_root = false;
    Row { words, by_root }
}

/// At least one for each verb, and for each option of each. The first one of a verb fails under a
/// broken policy, and for a user who is refused.
const ROWS: &[Row] = &[
    row(&["session", "--dry-run"]),
    row(&["session", "--home", "/nonexistent", "--", "true"]),
    row(&[
        "session",
        "--env",
        "fresh",
        "--home",
        "/nonexistent",
        "--shell",
        "/bin/sh",
        "--",
        "true",
    ]),
    row(&["session", "--cwd", "/nonexistent", "--", "true"]),
    Row {
        words: &[
            "session",
            "--as",
            "root",
            "--cwd",
            "/nonexistent",
            "--",
            "true",
        ],
        by_root: true,
    },
    row(&["session", "--", "/nonexistent"]),
    row(&[
        "session",
        "--ctty",
        "--stack",
        "1048576",
        "--",
        "/nonexistent",
    ]),
    row(&["session", "--login", "--as", "login", "--", "/nonexistent"]),
    row(&["session", "--try", "--env", "tried", "--", "/nonexistent"]),
    row(&["session", "--files", "1", "--", "true"]),
    row(&["session", "--as", "nobody"]),
    row(&["session", "--env", "broken", "--", "true"]),
    row(&["new", "default"]),
    row(&["new", "copy", "--from", "missing"]),
    row(&["new", "../.."]),
    row(&["remove", "missing"]),
    row(&["remove", "--force", "broken", "missing"]),
    row(&["list"]),
    row(&["list", "--all"]),
    row(&["ps"]),
    row(&["ps", "default"]),
    row(&["ps", "missing"]),
    row(&["ps", "--all"]),
    row(&["stop", "missing"]),
    row(&["stop", "--every"]),
    row(&["stop", "--all"]),
    row(&["config", "default"]),
    row(&["config", "default", "hostname"]),
    row(&["config", "default", "hostname=-"]),
    row(&["config", "missing", "hostname=x"]),
    row(&["config", "--own"]),
    row(&["config", "--own", "default=.."]),
    row(&["config", "--which"]),
    row(&["diff"]),
    row(&["diff", "--content", "--", "/opt"]),
    row(&["diff", "--try"]),
    row(&["diff", "--env", "missing"]),
    row(&["try", "default", "--check"]),
    row(&["try", "default", "--keep"]),
    row(&["try", "default", "--discard"]),
    row(&["try", "missing", "--check"]),
    row(&["packages", "missing"]),
    row(&["packages", "--status", "default"]),
    row(&["check"]),
    row(&["revert", "--dry-run", "--env", "default", "--", "/opt/mine"]),
    row(&["revert", "--every", "--most", "0"]),
    row(&["revert", "--", "/opt/mine"]),
    row(&[]),
    row(&["nonsense"]),
    row(&["list", "--for", "1001:1001"]),
    row(&["list", "--name", "bob", "--nonsense"]),
];

/// A verb, or an option, that is added to the parser must be added here.
#[test]
fn every_verb_and_option_has_a_row() {
    for form in &VERBS {
        let rows = || {
            ROWS.iter()
                .filter(|row| row.words.first() == Some(&form.verb))
        };
        assert!(rows().next().is_some(), "{}", form.verb);
        for option in form.options {
            let found = rows().any(|row| row.words.contains(option));
            assert!(found, "{} {option}", form.verb);
        }
    }
}

/// A host on which the helper has a message about alice's environments for each row, and a session
/// of hers.
fn host() -> (Host, HostChild) {
    let host = Host::start().unwrap();
    host.write(DEAF, include_str!("../attacks/deaf.py"), 0o755);
    host.write(
        CREDENTIALS,
        include_str!("../attacks/credentials.py"),
        0o755,
    );
    prepare(&host);
    let make = "caddis new tried; caddis new broken; caddis config hostname=before; caddis config default=default";
    host.sh("alice", make).ok();
    // No instance can be looked for where a file is in the way.
    host.sh(
        "root",
        "rm -rf /run/caddis/1000/broken; mkdir -p /run/caddis/1000; : > /run/caddis/1000/broken",
    )
    .ok();
    let mut session = host.session("alice", "echo in; exec sleep infinity");
    session.line();
    (host, session)
}

/// Makes the changes again that a row has reverted.
fn again(host: &Host, row: &Row) {
    if row.words.first() == Some(&"revert") {
        prepare(host);
    }
}

fn prepare(host: &Host) {
    host.inside_root(
        "alice",
        "echo mine > /opt/mine; echo mine > /var/lib/dpkg/status",
    )
    .ok();
}

/// What must be true of a helper that its caller does not listen to.
#[track_caller]
fn is_the_callers(host: &Host, row: &Row) {
    let held = host
        .command("root", &[&[DEAF, "alice", HELPER], row.words].concat())
        .run()
        .ok();
    let line = |name: &str| {
        let found = held.stdout.lines().find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("{:?}: {held}", row.words))
            .trim()
            .to_owned()
    };
    if row.by_root {
        let uid = line("uids")
            .split(' ')
            .next()
            .unwrap()
            .parse::<u32>()
            .unwrap();
        assert!(uid > 65_536, "{:?}: {held}", row.words);
    } else {
        assert_eq!(
            line("uids"),
            "1000 1000 1000 1000",
            "{:?}: {held}",
            row.words
        );
        assert_eq!(
            line("gids"),
            "1000 1000 1000 1000",
            "{:?}: {held}",
            row.words
        );
        // A session's outer process has none.
        let groups = ["the user's", ""].contains(&line("groups").as_str());
        assert!(groups, "{:?}: {held}", row.words);
        assert_eq!(line("capabilities"), "0", "{:?}: {held}", row.words);
        assert!(
            ["0", "-"].contains(&line("blocked").as_str()),
            "{:?}: {held}",
            row.words
        );
    }
    // By the signal itself, or, where a session ends its command for it, as that has ended.
    assert!(
        ["-15", "137", "143"].contains(&line("ended").as_str()),
        "{:?}: {held}",
        row.words
    );
}

/// On the old code, the helper wrote most answers and all errors as root: alice could not kill one
/// that was held up.
#[test]
fn a_caller_who_does_not_read_can_end_the_helper() {
    let (host, session) = host();
    for row in ROWS {
        is_the_callers(&host, row);
        again(&host, row);
    }
    host.policy("[access]\ndeny_users = [\"alice\"]\n");
    let first = |verb: &str| {
        ROWS.iter()
            .find(|row| row.words.first() == Some(&verb))
            .unwrap()
    };
    for form in &VERBS {
        is_the_callers(&host, first(form.verb));
    }
    host.policy("nonsense\n");
    for form in &VERBS {
        is_the_callers(&host, first(form.verb));
    }
    // A row has stopped it.
    session.wait();
}

/// On the old code, a socket that asks the kernel who writes (SO_PASSCRED) saw root for all but two
/// of the answers.
#[test]
fn the_kernel_says_that_the_caller_has_written() {
    let (host, session) = host();
    let heard = |row: &Row| {
        let heard = host
            .run("alice", &[&[CREDENTIALS, HELPER], row.words].concat())
            .ok();
        match row.by_root {
            true => {
                let uid = heard
                    .stdout
                    .split(' ')
                    .next()
                    .unwrap()
                    .parse::<u32>()
                    .unwrap();
                assert!(uid > 65_536, "{:?}: {heard}", row.words);
            }
            false => assert_eq!(heard.stdout, "1000 1000\n", "{:?}: {heard}", row.words),
        }
    };
    for row in ROWS {
        heard(row);
        again(&host, row);
    }
    host.policy("[access]\ndeny_users = [\"alice\"]\n");
    ROWS.iter().filter(|row| !row.by_root).for_each(heard);
    host.policy("nonsense\n");
    ROWS.iter().filter(|row| !row.by_root).for_each(heard);
    // A row has stopped it.
    session.wait();
}

/// The kernel counts a process for its real uid and sets root no limit. A helper that waits for its
/// reader must therefore wait as its caller.
#[test]
fn helpers_that_are_held_up_count_for_their_caller() {
    // A user that no other test has: the kernel's counts are shared by all hosts.
    let host = Host::start().unwrap();
    host.write(DEAF, include_str!("../attacks/deaf.py"), 0o755);
    host.sh("root", "useradd -m -u 31031 dave").ok();
    for words in [
        &["list", "--all"][..],
        &["check"],
        &["config", "--which"],
        &["nonsense"],
    ] {
        let held = host
            .run("dave", &[&[DEAF, "--limit", "12", HELPER], words].concat())
            .ok();
        let count = held.text().strip_prefix("at once ").map(str::parse::<u32>);
        assert!(count.unwrap().unwrap() < 12, "{words:?}: {held}");
    }
}

/// The caller's limits hold for what is written: on the old code, the helper's own.
#[test]
fn what_is_written_is_under_the_callers_limits() {
    let host = Host::start().unwrap();
    host.sh("alice", "caddis new default").ok();
    let script = format!(
        "ulimit -S -f 1; dd if=/dev/zero of=out bs=1024 count=1 status=none; {HELPER} list >> out; stat -c %s out"
    );
    assert_eq!(host.sh("alice", &script).stdout, "1024\n");
}

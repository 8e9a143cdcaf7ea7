//! Environment names that are none, given to the helper itself: `caddis` would refuse them earlier.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::HELPER;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The helper with these arguments, as alice; `@` stands for the name.
fn helper(host: &Host, words: &[&str], name: &[u8]) -> Output {
    let name = OsStr::from_bytes(name);
    let words = words
        .iter()
        .map(|word| if *word == "@" { name } else { OsStr::new(word) });
    let argv: Vec<&OsStr> = [OsStr::new(HELPER)].into_iter().chain(words).collect();
    host.run("alice", &argv)
}

/// All that Caddis keeps of anybody.
fn everything(host: &Host) -> String {
    let find = "find /var/lib/caddis/env /run/caddis -printf '%p %y %m %u %s\\n' | sort";
    host.sh("root", find).ok().stdout
}

#[track_caller]
fn refused(output: Output) {
    let output = output.exits(125).says("caddis: cannot ");
    assert_eq!(output.stdout, "", "{output}");
    // One sentence and one hint, and nothing that a terminal would obey.
    assert!(output.stderr.lines().count() <= 2, "{output}");
    let harmless = output
        .stderr
        .chars()
        .all(|one| one == '\n' || !one.is_control());
    assert!(harmless, "{output}");
    assert!(output.stderr.len() < 4000, "{output}");
}

const VERBS: [&[&str]; 11] = [
    &["session", "--env", "@", "--", "true"],
    &["session", "--env", "@", "--dry-run"],
    &["new", "@"],
    &["new", "another", "--from", "@"],
    &["remove", "@"],
    &["remove", "--force", "kept", "@"],
    &["ps", "@"],
    &["stop", "@"],
    &["config", "@"],
    &["config", "@", "login"],
    &["config", "@", "login=root"],
];

#[test]
fn a_name_that_is_none_is_refused_by_every_verb_and_changes_nothing() {
    let host = Host::start().unwrap();
    helper(&host, &["session", "--env", "kept", "--", "true"], b"").ok();
    helper(&host, &["stop", "kept"], b"").ok();
    let before = everything(&host);
    let (longer, long) = ([b'n'; 65], [b'n'; 300]);
    let bad: [&[u8]; 20] = [
        b"",
        b".",
        b"..",
        b"../../bob/default",
        b"a/b",
        b"/etc",
        b"-x",
        b"--",
        b"--all",
        b".copy-1-x",
        b"_x",
        b"@",
        b"a b",
        b"a\nb",
        b"a\x1b[31mb",
        b"a\x7f",
        b"\xff\xfe",
        "ä\u{202e}".as_bytes(),
        &longer,
        &long,
    ];
    for name in bad {
        for words in VERBS {
            refused(helper(&host, words, name));
        }
    }
    assert_eq!(everything(&host), before);
    // The same words with a good name do what they say.
    for name in [&b"0"[..], b"A.b-c_D", &[b'n'; 64]] {
        helper(&host, &["new", "@"], name).ok();
        helper(&host, &["config", "@", "login=root"], name).ok();
        helper(&host, &["session", "--env", "@", "--", "true"], name).ok();
        helper(&host, &["remove", "--force", "@"], name).ok();
    }
}

#[test]
fn a_setting_cannot_bring_another_along() {
    let host = Host::start().unwrap();
    helper(&host, &["new", "kept"], b"").ok();
    let bad: [&[u8]; 11] = [
        b"hostname=a\nlogin=root",
        b"hostname=\nlogin=root",
        b"login\nlogin=root",
        b"hostname=a b",
        b"hostname=-a",
        b"hostname=../x",
        b"hostname=\xff",
        b"login=bob",
        b"colour=red",
        b"=root",
        b"\x1b[31m=x",
    ];
    for setting in bad {
        refused(helper(&host, &["config", "kept", "@"], setting));
    }
    let long = [&b"hostname="[..], &[b'a'; 65]].concat();
    refused(helper(&host, &["config", "kept", "@"], &long));
    assert_eq!(helper(&host, &["config", "kept"], b"").ok().stdout, "");
    helper(&host, &["config", "kept", "@"], b"hostname=a.b-c").ok();
    let set = helper(&host, &["config", "kept"], b"").ok();
    assert_eq!(set.stdout, "hostname=a.b-c\n");
}

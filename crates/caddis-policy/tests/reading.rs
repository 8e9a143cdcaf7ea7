//! What a policy may say, and what its errors say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use caddis_policy::{Capability, Policy, Preferred, parse, parse_bytes, parse_leniently};

fn errors(text: &str) -> Vec<String> {
    parse(text)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn every_key_can_be_set() {
    let policy = parse(
        r#"
        [access]
        min_uid = 500
        users = ["alice", "1001"]
        groups = ["*"]
        deny_users = ["DOMAIN\\bob"]
        deny_groups = ["domain guests"]
        [ids]
        start = 0x4000_0000
        first_uid = 500
        subuid = false
        [storage]
        state = "/srv/caddis"
        memory = "4G"
        [session]
        background = "1h"
        keep = ["emacs", "Web Content"]
        linger = "0"
        stop_grace = "250ms"
        [limits]
        processes = 4000
        [login]
        environment = "@last"
        bypass_groups = ["admins", "27"]
        host = true
        shell = "/bin/zsh"
        background = "0"
        [view]
        private = []
        memory = ["/tmp", "/var/tmp"]
        hidden = ["/srv/backup"]
        shared = ["/data"]
        read_only = ["/opt"]
        overlay_types = ["ext4"]
        expose = ["/run/user/{uid}/bus"]
        [devices]
        allow = ["nvidia[0]"]
        [root]
        capabilities = ["CAP_CHOWN", "bpf"]
        "#,
    )
    .unwrap();
    let defaults = Policy::default();
    assert_eq!(
        (
            policy.access.min_uid,
            policy.ids.start,
            policy.ids.first_uid
        ),
        (500, 1 << 30, 500)
    );
    assert_eq!(policy.access.deny_users, ["DOMAIN\\bob"]);
    assert!(!policy.ids.subuid);
    assert_eq!(policy.storage.state.to_str(), Some("/srv/caddis"));
    assert_eq!(policy.session.linger, Duration::ZERO);
    assert_eq!(policy.session.stop_grace, Duration::from_millis(250));
    assert_eq!(policy.limits.processes, 4000);
    assert_eq!(policy.session.background, Duration::from_secs(3600));
    assert_eq!(policy.session.keep, ["emacs", "Web Content"]);
    assert_eq!(policy.login.environment, Preferred::Last);
    assert_eq!(policy.login.bypass_groups, ["admins", "27"]);
    assert!(policy.login.host);
    assert_eq!(policy.login.shell.to_str(), Some("/bin/zsh"));
    assert_eq!(policy.login.background, Duration::ZERO);
    assert_eq!(
        policy.root.capabilities,
        [Capability::Chown, Capability::Bpf]
    );
    assert_eq!(
        policy.view.exposed(7).next().unwrap().to_str(),
        Some("/run/user/7/bus")
    );
    assert_ne!(policy.access, defaults.access);
    assert_ne!(policy.ids, defaults.ids);
    assert_ne!(policy.storage, defaults.storage);
    assert_ne!(policy.view, defaults.view);
    assert_ne!(policy.devices, defaults.devices);
    policy.view.validate().unwrap();
}

#[test]
fn an_error_has_line_key_problem_and_what_is_allowed() {
    let text = "# policy\n[session]\n\nlinger = 60 # seconds\n";
    let all = parse(text).unwrap_err();
    let error = &all.as_slice()[0];
    assert_eq!((error.line, error.column), (4, 10));
    assert_eq!(error.key.as_deref(), Some("session.linger"));
    assert_eq!(
        all.to_string(),
        "line 4, key `session.linger`: 60 is a number without quotes; allowed: \"0\", or a whole number \
         and a unit: \"250ms\", \"90s\", \"5m\", \"1h\", up to \"8760h\""
    );
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_text() {
    let text =
        "[view]\nprivate = [\"home\", \"/a/../b\"]\n[access]\nmin-uid = 5\nusers = [3]\n[roots]\n";
    let lines: Vec<usize> = parse(text)
        .unwrap_err()
        .iter()
        .map(|error| error.line)
        .collect();
    assert_eq!(lines, [2, 2, 4, 5, 6]);
}

#[test]
fn an_unknown_key_gets_the_nearest_one() {
    for (text, part) in [
        (
            "[session]\nlingr = \"5m\"",
            "`session.lingr`: there is no such key; did you mean `linger`?",
        ),
        ("[access]\nmin-uid = 5", "did you mean `min_uid`?"),
        (
            "[devcies]",
            "`devcies`: there is no such table; did you mean `devices`?",
        ),
        (
            "[access]\nlinger = \"5m\"",
            "`access.linger`: is in the wrong table; it belongs below [session]",
        ),
        (
            "linger = \"5m\"",
            "`linger`: stands outside its table, [session]",
        ),
        (
            "[root]\ncapabilities = [\"sys_amdin\"]",
            "is no capability; did you mean \"sys_admin\"?",
        ),
        (
            "session = 5",
            "key `session`: is a number without quotes; allowed: a table",
        ),
    ] {
        let all = errors(text);
        assert!(all.len() == 1 && all[0].contains(part), "{text}: {all:?}");
    }
    assert!(!errors("[quaternion]")[0].contains("did you mean"));
}

#[test]
fn one_place_has_one_rule() {
    let both = "[view]\nhidden = [\"/srv\"]\nshared = [\"/srv\"]";
    assert!(
        errors(both)[0].contains("line 3, key `view.shared`: \"/srv\" is also in `view.hidden`;")
    );
    let with_default = "[view]\nmemory = [\"/tmp\", \"/var/tmp\"]";
    assert!(
        errors(with_default)[0]
            .contains("`view.memory`: \"/var/tmp\" is also in `view.private` by default")
    );
    assert!(errors("[view]\nhidden = [\"/a\", \"/a\"]")[0].contains("twice"));
    assert!(parse("[view]\nmemory = [\"/tmp\", \"/var/tmp\"]\nprivate = [\"/home\"]").is_ok());
}

#[test]
fn lengths_of_time() {
    for (text, milliseconds) in [
        ("0", 0),
        ("0s", 0),
        ("90s", 90_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("250ms", 250),
    ] {
        let policy = parse(&format!("[session]\nlinger = \"{text}\"")).unwrap();
        assert_eq!(
            policy.session.linger,
            Duration::from_millis(milliseconds),
            "{text}"
        );
    }
}

#[test]
fn bytes_that_are_no_text() {
    let all = parse_bytes(b"[session]\nlinger = \"\xff\"").unwrap_err();
    assert_eq!(
        all.to_string(),
        "line 2, column 11: is not UTF-8; allowed: text in UTF-8"
    );
    assert_eq!(parse_bytes(b""), Ok(Policy::default()));
}

#[test]
fn columns_count_characters() {
    let all = parse("[view]\nhidden = [\"/äöü\", \"x\"]").unwrap_err();
    assert_eq!((all.as_slice()[0].line, all.as_slice()[0].column), (2, 19));
}

#[test]
fn syntax_errors_come_alone() {
    let all = errors("[session\nlinger = 5\n[acces]\n");
    assert!(all.iter().all(|line| !line.contains("key `")), "{all:?}");
    assert!(all[0].starts_with("line 1, column "), "{all:?}");
}

#[test]
fn what_can_be_read_of_a_broken_policy() {
    let text = "[login]\nhost = true\nshell = 5\nbypass_groups = [\"admins\", \"%wheel\", \"27\"]\n\
                [acces]\nmin_uid = 5\n[access]\nmin_uid = 500\nusers = [\"%physics\"]\n";
    let (policy, wrong) = parse_leniently(text.as_bytes());
    assert_eq!(Err(wrong.unwrap()), parse(text));
    let defaults = Policy::default();
    assert!(policy.login.host);
    assert_eq!(policy.login.shell, defaults.login.shell);
    assert_eq!(policy.login.bypass_groups, ["admins", "27"]);
    assert_eq!(policy.access.min_uid, 500);
    assert_eq!(policy.access.users, defaults.access.users);
}

#[test]
fn nothing_can_be_read_of_what_is_no_toml() {
    for bytes in [
        &b"[login]\nhost = true\n[login"[..],
        b"[login]\nhost = true\n# \xff",
    ] {
        let (policy, wrong) = parse_leniently(bytes);
        assert_eq!(policy, Policy::default());
        assert_eq!(Err(wrong.unwrap()), parse_bytes(bytes));
    }
}

//! `caddis admin login enable`: who is sent where by sshd, as sshd itself says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_tests::admin_login::{DROP_IN, Shows, holds, host, login, sent};
use caddis_tests::{Environments, Untouched};

#[test]
fn the_members_of_a_group_are_sent_and_nobody_else() {
    let host = host();
    login(&host, &["status"])
        .exits(1)
        .shows("lead to the plain host");
    login(&host, &["enable", "--group", "proj"])
        .ok()
        .shows("Try it: ssh alice@localhost");
    assert_eq!(sent(&host), ["alice", "carol"]);
    assert_eq!(holds(&host, "alice", "exposeauthinfo"), "yes");
    // What was accepted before still is.
    assert_eq!(
        holds(&host, "alice", "acceptenv"),
        "CADDIS_LOGIN_ENV\nLANG\nLC_*"
    );
    let drop_in = host.look(DROP_IN).unwrap();
    assert_eq!(
        (drop_in.st_mode & 0o7777, drop_in.st_uid, drop_in.st_gid),
        (0o644, 0, 0)
    );
    login(&host, &["status"])
        .ok()
        .shows("Logins of members of proj lead into environments");
    // What anybody may know of it.
    host.caddis("alice", &["admin", "login", "status"])
        .run()
        .ok()
        .shows("members of proj");
    let json = login(&host, &["status", "--json"]).ok();
    for field in [
        "\"enabled\": true",
        "\"effective\": true",
        "\"current\": true",
        "\"background_seconds\": 300",
    ] {
        assert!(json.stdout.contains(field), "{json}");
    }
    let json = host
        .caddis("alice", &["admin", "login", "status", "--json"])
        .run()
        .ok();
    assert!(json.stdout.contains("\"effective\": null"), "{json}");
}

#[test]
fn enabling_again_replaces_or_leaves_as_it_is() {
    let host = host();
    login(&host, &["enable", "--group", "proj"]).ok();
    let before = host.files();
    login(&host, &["enable", "--group", "proj", "--group", "proj"]).ok();
    host.still_has(&before);
    login(&host, &["enable"]).ok().shows("Everybody's logins");
    assert_eq!(sent(&host), ["alice", "carol", "dave"]);
    login(&host, &["enable", "--group", "dave", "--group", "alice"]).ok();
    assert_eq!(sent(&host), ["alice", "dave"]);
    login(&host, &["disable"]).ok();
    assert_eq!(sent(&host), [""; 0]);
    assert!(!host.exists(DROP_IN));
    let before = host.files();
    login(&host, &["disable"]).ok().shows("as before");
    host.still_has(&before);
}

#[test]
fn groups_that_sshd_would_read_otherwise_are_refused() {
    let host = host();
    host.append("/etc/group", "a*:x:3001:alice\na,b:x:3002:alice\n!sudo:x:3003:alice\na\"b:x:3004:alice\nsame:x:2000:alice\n");
    let before = host.files();
    for name in [
        "a*",
        "a,b",
        "!sudo",
        "a\"b",
        "a b\nMatch all",
        " proj",
        "",
        "sudo",
    ] {
        login(&host, &["enable", "--group", name]).exits(125);
    }
    login(&host, &["enable", "--group", "none-such"])
        .exits(125)
        .says("there is no such group");
    login(&host, &["enable", "--group", "2000"])
        .exits(125)
        .says("there is no such group");
    // sshd would know none of its members.
    login(&host, &["enable", "--group", "same"])
        .exits(125)
        .says("--group proj");
    host.still_has(&before);
}

#[test]
fn groups_with_names_of_directory_services_are_meant() {
    let host = host();
    for name in [
        "domain users",
        "DOM\\staff",
        "staff@example.org",
        "gruppe-ä",
        "x$.+y",
    ] {
        host.append("/etc/group", format!("{name}:x:3001:alice,bob\n"));
        login(&host, &["enable", "--group", name]).ok();
        assert_eq!(sent(&host), ["alice"], "{name}");
        let json = login(&host, &["status", "--json"]).ok();
        assert!(json.stdout.contains("\"effective\": true"), "{json}");
        host.sh("root", "sed -i '/:3001:/d' /etc/group").ok();
    }
}

#[test]
fn the_policy_names_who_is_left_out() {
    let host = host();
    let policy = |groups: &str| {
        host.write(
            "/etc/caddis/policy.toml",
            format!("[login]\nbypass_groups = [{groups}]\n"),
            0o644,
        );
    };
    login(&host, &["enable"]).ok();
    policy("\"2000\", \"none-such\"");
    let older = login(&host, &["status"]).ok().shows("It is older than");
    assert!(
        older
            .stdout
            .contains("run `caddis admin login enable` again")
    );
    login(&host, &["enable"]).ok();
    assert_eq!(sent(&host), ["dave"]);
    policy("");
    login(&host, &["enable"]).ok();
    assert_eq!(sent(&host), ["alice", "bob", "carol", "dave"]);
    let status = login(&host, &["status"]).ok();
    assert!(!status.stdout.contains("older"), "{status}");
    // Turning off needs no policy.
    host.write("/etc/caddis/policy.toml", "[nonsense", 0o644);
    login(&host, &["status"])
        .ok()
        .says("warning: /etc/caddis/policy.toml");
    login(&host, &["disable"]).ok();
    assert_eq!(sent(&host), [""; 0]);
}

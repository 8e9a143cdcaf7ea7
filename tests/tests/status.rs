//! `caddis status`: an environment at a glance, and which of the user's files hide later changes of the base.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;

fn status(host: &Host, environment: &str) -> String {
    host.caddis("alice", &["status", "-e", environment])
        .run()
        .ok()
        .stdout
}

fn shadowed(host: &Host, environment: &str) -> Vec<String> {
    let text = status(host, environment);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("        "));
    lines
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn at_a_glance() {
    let host = Host::start().unwrap();
    host.inside_root("alice", "touch /opt/a /opt/b; echo x >> /etc/motd; rm /etc/issue; rm /etc/hostname; mkdir /etc/hostname; chmod 700 /srv").ok();
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    let text = status(&host, "default");
    assert!(
        text.starts_with("Environment default: running, 1 session, "),
        "{text}"
    );
    let changes =
        "Changes: 2 added, 1 modified, 1 deleted, 1 of another type, 1 with other permissions\n";
    assert!(text.contains(changes), "{text}");
    assert!(!text.contains("Customised"), "{text}");
    drop(session);
    let json = host
        .caddis("alice", &["status", "--json"])
        .run()
        .ok()
        .stdout;
    assert!(
        json.contains("\"permissions\": 1") && json.contains("\"shadowed\": []"),
        "{json}"
    );
    let json = host
        .caddis("root", &["status", "--user", "alice", "--json"])
        .run()
        .ok()
        .stdout;
    assert!(json.contains("\"uid\": 1000"), "{json}");
    host.caddis("alice", &["status", "-e", "none"])
        .run()
        .exits(125)
        .says("none of that name");
}

#[test]
fn what_was_changed_below_since_is_named_in_copies_too() {
    let host = Host::start().unwrap();
    host.sh("root", "cd /opt; for f in before after both mode other; do echo $f > $f; done; echo changed > before").ok();
    host.inside_root(
        "alice",
        "cd /opt; for f in before after both mode; do echo alice >> $f; done",
    )
    .ok();
    assert!(shadowed(&host, "default").is_empty());
    host.caddis("alice", &["stop"]).run().ok();
    host.caddis("alice", &["new", "early", "--from", "default"])
        .run()
        .ok();
    host.sh("root", "cd /opt; echo new > after; echo new > x; mv x both; chmod 600 mode; echo new > other; sync").ok();
    let expected = ["/opt/after", "/opt/both", "/opt/mode"];
    assert_eq!(shadowed(&host, "default"), expected);
    // Copied before or after that, and a copy of a copy: when the user's version was taken is what counts.
    host.caddis("alice", &["new", "late", "--from", "default"])
        .run()
        .ok();
    host.caddis("alice", &["new", "later", "--from", "late"])
        .run()
        .ok();
    for copy in ["early", "late", "later"] {
        assert_eq!(shadowed(&host, copy), expected, "{copy}");
    }
    // What is written in a copy is a new version; the note is not to be seen or set inside.
    let script = "cd /opt; cp after x; mv x after; getfattr -d -m - after mode; setfattr -n trusted.caddis.taken -v 1 mode";
    let output = host
        .caddis("alice", &["root", "-e", "late", "bash", "-c", script])
        .run();
    assert!(
        output.code() != 0 && !output.stdout.contains("taken"),
        "{output}"
    );
    assert_eq!(shadowed(&host, "late"), ["/opt/both", "/opt/mode"]);
    let diff = host
        .caddis("alice", &["diff", "-e", "late", "/opt/both"])
        .run()
        .ok();
    assert_eq!(diff.stdout, "M  /opt/both (changed below since)\n");
}

#[test]
fn packages_that_both_have_changed_are_named() {
    let host = Host::start().unwrap();
    host.inside_root("alice", "apt-get install -y -q lab-tool cowsay")
        .ok();
    host.sh(
        "root",
        "apt-get install -y -q tree && apt-get remove -y -q lab-tool",
    )
    .ok();
    let status = host.sh("alice", "caddis status").ok();
    assert!(
        status.stdout.ends_with(
            "Packages that the administrator has changed, too; yours stay:\n  \
             (use `caddis diff --packages` to see all of yours)\n        \
             lab-tool (yours 2.0, the base's removed)\n"
        ),
        "{status}"
    );
    // What was brought together hides nothing.
    assert!(!status.stdout.contains("changed below since"), "{status}");
    let json = host.sh("alice", "caddis status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"packages\"])'");
    let expected = "[{'kind': 'conflict', 'package': 'lab-tool', 'base': '', 'yours': '2.0'}]";
    assert_eq!(json.ok().text(), expected);
}

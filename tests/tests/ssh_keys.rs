//! What `authorized_keys` says about a key holds: its command, where it may come from, what it may not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Output;
use caddis_tests::{Ssh, Way, every_way};

every_way!(
    a_keys_command_is_all_that_runs,
    a_keys_restrictions_are_sshds,
    the_first_line_of_a_key_counts,
);

/// Lets bob in as alice with further keys, each with the options that are before it.
fn keys(ssh: &Ssh, options: &[(&str, &str)]) {
    for (name, option) in options {
        let script = format!(
            "ssh-keygen -q -t ed25519 -N '' -C 'key {name}' -f .ssh/{name} && printf 'Host {name}\\n HostName localhost\\n \
             User alice\\n IdentityFile ~/.ssh/{name}\\n IdentitiesOnly yes\\n' >> .ssh/config && cat .ssh/{name}.pub"
        );
        let key = ssh.host.sh("bob", &script).ok().stdout;
        ssh.host.append(
            "/home/alice/.ssh/authorized_keys",
            format!("{option} {key}"),
        );
    }
}

fn by(ssh: &Ssh, key: &str, words: &[&str]) -> Output {
    ssh.ssh(&[&[key], words].concat()).stdin("typed\n").run()
}

fn a_keys_command_is_all_that_runs(way: Way) {
    let ssh = Ssh::start(way);
    let environment = way.environment();
    keys(
        &ssh,
        &[
            (
                "forced",
                r#"command="echo \"forced [$CADDIS_ENV] <$SSH_ORIGINAL_COMMAND>\"; cat""#,
            ),
            (
                "quoted",
                r#"no-pty,command="printf '%s|' 'a  b' \"c  d\" e\\ f # x, y=\"z\"",no-X11-forwarding"#,
            ),
            ("failing", r#"COMMAND="exit 42""#),
            ("shell", r#"restrict,command="$SSH_ORIGINAL_COMMAND""#),
            ("sftp", r#"command="/usr/lib/openssh/sftp-server -R""#),
            ("internal", r#"command="internal-sftp""#),
        ],
    );
    let forced = |original: &str| format!("forced [{environment}] <{original}>\ntyped\n");
    assert_eq!(
        by(&ssh, "forced", &["rm -rf 'x  y'; exit 3"]).ok().stdout,
        forced("rm -rf 'x  y'; exit 3")
    );
    assert_eq!(by(&ssh, "forced", &[]).ok().stdout, forced(""));
    assert_eq!(
        by(&ssh, "forced", &["caddis-login --host id"]).ok().stdout,
        forced("caddis-login --host id")
    );
    let mut pty = ssh.terminal(&["-tt", "forced"]);
    pty.expect(&format!("forced [{environment}] <>\r\n"));
    pty.send("\x04");
    pty.wait().ok();
    // A subsystem and scp's old protocol are commands as well.
    let asked = ssh.ssh(&["-s", "forced", "sftp"]).run().ok();
    assert_eq!(
        asked.stdout,
        format!("forced [{environment}] </usr/lib/openssh/sftp-server>\n")
    );
    assert_eq!(
        by(&ssh, "quoted", &["echo other"]).ok().stdout,
        "a  b|c  d|e\\|f|"
    );
    by(&ssh, "failing", &["exit 0"]).exits(42);
    by(&ssh, "failing", &[]).exits(42);
    assert_eq!(
        by(&ssh, "shell", &["echo one two"]).ok().stdout,
        "one two\n"
    );
    // A key that may only fetch files.
    ssh.host.sh("alice", "echo words > file").ok();
    for key in ["sftp", "internal"] {
        let get = format!("sftp -q {key}:file got-{key} && cat got-{key}");
        assert_eq!(
            ssh.host.sh("bob", &get).ok().stdout.lines().last(),
            Some("words"),
            "{key}"
        );
        by(&ssh, key, &["touch proof"]).fails();
    }
    assert!(!ssh.host.exists("/home/alice/proof"));
    // The key without options is as free as ever.
    ssh.lands();
}

fn a_keys_restrictions_are_sshds(way: Way) {
    let ssh = Ssh::start_with(way, "PermitUserEnvironment LAB_*\n");
    keys(
        &ssh,
        &[
            ("nowhere", r#"from="192.0.2.0/24""#),
            ("here", r#"from="127.0.0.1,::1""#),
            ("flat", "no-pty,no-port-forwarding"),
            ("tight", r#"restrict,environment="LAB_KEY=a b""#),
            ("over", r#"expiry-time="20200101""#),
        ],
    );
    let inside = format!("[{}]\n", way.environment());
    by(&ssh, "nowhere", &["true"])
        .exits(255)
        .says("Permission denied");
    by(&ssh, "over", &["true"])
        .exits(255)
        .says("Permission denied");
    let echo = "echo \"[$CADDIS_ENV]\"";
    assert_eq!(by(&ssh, "here", &[echo]).ok().stdout, inside);
    assert_eq!(by(&ssh, "flat", &[echo]).ok().stdout, inside);
    let flat = ssh.terminal(&["-tt", "flat", "true"]).wait().exits(255);
    let none = "PTY allocation request failed";
    assert!(flat.stdout.contains(none), "{flat}");
    // A client that does not insist has a shell without one.
    let mut flat = ssh.terminal(&["flat"]);
    flat.expect(none);
    flat.send("tty; exit 3\n");
    flat.expect("not a tty");
    flat.wait().exits(3);
    let forward = [
        "-o",
        "ExitOnForwardFailure=yes",
        "-R",
        "8001:127.0.0.1:22",
        "flat",
        "true",
    ];
    ssh.ssh(&forward)
        .run()
        .exits(255)
        .says("remote port forwarding failed");
    let tight = by(&ssh, "tight", &["echo \"[$CADDIS_ENV]\"; echo $LAB_KEY"]);
    assert_eq!(tight.ok().stdout, format!("{inside}a b\n"));
    let agent = "eval $(ssh-agent) > /dev/null; ssh-add -q .ssh/id_ed25519; ssh -A tight 'echo [$SSH_AUTH_SOCK]'; kill $SSH_AGENT_PID";
    assert_eq!(ssh.host.sh("bob", agent).ok().stdout, "[]\n");
    ssh.lands();
}

fn the_first_line_of_a_key_counts(way: Way) {
    let ssh = Ssh::start(way);
    keys(&ssh, &[("twice", r#"command="echo first""#)]);
    let key = ssh.host.read_text("/home/bob/.ssh/twice.pub");
    // Comments, blanks, other keys and lines that are no keys stand between.
    let other = ssh.host.read_text("/home/bob/.ssh/id_ed25519.pub");
    let blob = key.split(' ').nth(1).unwrap();
    ssh.host.append(
        "/home/alice/.ssh/authorized_keys",
        format!("\n# command=\"echo comment\" {key}\nnonsense command=\"echo no\" {key}command=\"echo second\" {key}{key}"),
    );
    assert_eq!(by(&ssh, "twice", &["echo own"]).ok().stdout, "first\n");
    // The same key in front of all, after a blank, with an option that looks like another key's line.
    ssh.host.write(
        "/home/alice/.ssh/authorized_keys",
        format!("  \tcommand=\"echo ssh-ed25519 {blob}\"\t{other}# nothing\n\n   command=\"echo mine\" {key}"),
        0o600,
    );
    assert_eq!(by(&ssh, "twice", &["echo own"]).ok().stdout, "mine\n");
    assert_eq!(
        by(&ssh, "there", &["echo own"]).ok().stdout,
        format!("ssh-ed25519 {blob}\n")
    );
}

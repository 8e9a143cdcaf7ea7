//! Bytes that are no text, and lines that are malformed, in what users can influence or what is
//! old: the user database, names of processes, mounts, keys, the package database. They fail nobody
//! else, and hide nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::{Environments, HELPER, Ssh, State, Way};

/// A line with a byte that is no UTF-8 is a good line. On the old code one user's `chfn` ended
/// every start, every login and every refresh of the machine ("stream did not contain valid
/// UTF-8").
#[test]
fn what_a_user_writes_into_the_user_database_keeps_nobody_out() {
    let ssh = Ssh::start(Way::ForceCommand);
    let host = &ssh.host;
    let mut chfn = host.pty("alice", &["bash", "-c", r"chfn -r $'\351tage-3'"]);
    chfn.expect("Password: ");
    chfn.send("alice\n");
    chfn.wait().ok();
    assert!(host.read("/etc/passwd").contains(&0xe9));
    let mut first = host.session("bob", "echo ready; read -r end");
    first.until("ready");
    // The stand-ins for what bob cannot read name every user and every group.
    let names = "cut -d: -f1 /etc/passwd | cmp - <(cut -d: -f1 /etc/shadow) && \
                 cut -d: -f1 /etc/group | cmp - <(cut -d: -f1 /etc/gshadow)";
    host.inside_root("bob", names).ok();
    host.sh("bob", "caddis diff && caddis ps").ok();
    let refreshed = host.sh("root", "caddis admin refresh --full").ok();
    assert_eq!(refreshed.stderr, "");
    host.caddis("alice", &["run", "true"]).run().ok();
    ssh.lands();
    let doctor = host.sh("root", "caddis doctor").ok();
    assert!(!doctor.stdout.contains("is skipped"), "{doctor:?}");
}

/// What may be wrong in `/etc/passwd`: each of these stands between the lines of alice and of bob.
const PASSWD: &[(&[u8], &str)] = &[
    (b"nul\0name:x:1100:1100::/:/bin/sh", "it has a NUL byte"),
    (b"no colons at all", "it has too few fields"),
    (b"short:x:1101", "it has too few fields"),
    (b":x:1102:1102::/:/bin/sh", "it has no usable name"),
    (b"bell\x07:x:1103:1103::/:/bin/sh", "it has no usable name"),
    (b"letters:x:one:1104::/:/bin/sh", "it has no usable number"),
    (b"\xff\xfe\xfd", "it has too few fields"),
];

/// Damaged lines fail no user whose own lines are in order. On the old code the first byte that is
/// not UTF-8 failed every start, and root did not learn which lines were skipped.
#[test]
fn malformed_lines_are_skipped_and_named_to_root() {
    let host = Host::start().unwrap();
    host.inside("bob", "true").ok();
    host.caddis("bob", &["stop"]).run().ok();
    let mut text = Vec::new();
    for line in host.read("/etc/passwd").split(|byte| *byte == b'\n') {
        if line.starts_with(b"bob:") {
            PASSWD.iter().for_each(|(line, _)| {
                text.extend_from_slice(line);
                text.push(b'\n');
            });
            // Neither is malformed: a carriage return belongs to the last field, and length is none
            // of anybody's business.
            text.extend_from_slice(b"crlf:x:1105:1105::/home/crlf:/bin/sh\r\n");
            text.extend_from_slice(b"long:x:1106:1106:");
            text.extend_from_slice(&vec![b'\xe9'; 1 << 20]);
            text.extend_from_slice(b":/:/bin/sh\n# a comment\n+::::::\n\n");
        }
        if !line.is_empty() {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }
    // No newline at the end.
    text.pop();
    let of_passwd = text.split(|byte| *byte == b'\n');
    let first = 1 + of_passwd.take_while(|line| *line != PASSWD[0].0).count();
    host.write("/etc/passwd", &text, 0o644);
    host.append("/etc/group", b"\xff\0\ngroup\nproj\xe9:x:2001:bob\r\n");
    host.append("/etc/subuid", b"\xe9:300000:65536\nbob:x:y\nbob\0:1:2\nbob");
    host.append("/etc/subgid", b"\r\n:::\n\xff");
    host.inside_root(
        "bob",
        "grep -q ^bob: /etc/shadow && grep -q ^long: /etc/shadow",
    )
    .ok();
    host.inside("bob", "true").ok();
    host.sh("bob", "caddis diff && caddis list").ok();
    host.sh("root", "caddis admin ps; caddis admin list --all")
        .ok();
    host.sh("root", "caddis run --user bob true").ok();
    let logins = "mkdir -p -m 755 /run/sshd && caddis admin login enable --no-reload && caddis admin login status";
    host.sh("root", logins).ok();

    let refreshed = host.sh("root", "caddis admin refresh --full").ok();
    for (number, (_, what)) in PASSWD.iter().enumerate() {
        let line = format!("/etc/passwd: line {} is skipped: {what}", first + number);
        assert!(refreshed.stderr.contains(&line), "{line}\n{refreshed:?}");
    }
    for file in ["/etc/group", "/etc/subuid", "/etc/subgid"] {
        assert!(refreshed.stderr.contains(&format!("{file}: line ")));
    }
    // What is in them cannot speak to root's terminal.
    assert!(refreshed.stderr.contains(r"bell\x07"), "{refreshed:?}");
    assert!(
        !refreshed
            .stderr
            .contains(|one: char| one.is_control() && one != '\n')
    );
    assert_eq!(
        refreshed.stderr.matches("/etc/passwd").count(),
        PASSWD.len()
    );
    let quiet = host.sh("root", "caddis admin refresh --quiet").ok();
    assert_eq!(quiet.stderr, "");
    // Root can repair the lines, and is warned; others are not.
    let doctor = host.sh("root", "caddis doctor").ok();
    assert!(doctor.stdout.contains("/etc/passwd: line "), "{doctor:?}");
    let doctor = host.sh("bob", "caddis doctor").ok();
    assert!(!doctor.stdout.contains("is skipped"), "{doctor:?}");
}

/// Names are compared byte by byte: two users whose names differ in a byte that is no UTF-8 do not
/// get the same ids, by which each would own the other's files. On the old code neither could start
/// anything, nor could anybody else.
#[test]
fn nobody_passes_for_another_name() {
    let host = Host::start().unwrap();
    let mut text = host.read("/etc/passwd");
    text.extend(b"d\xe8:x:1200:100::/home/d1:/bin/bash\nd\xe9:x:1201:100::/home/d2:/bin/bash\n");
    host.write("/etc/passwd", &text, 0o644);
    host.sh(
        "root",
        "install -d -o 1200 /home/d1; install -d -o 1201 /home/d2",
    )
    .ok();
    for file in ["/etc/subuid", "/etc/subgid"] {
        host.append(file, b"d\xe8:3000000:65536\nd\xe9:4000000:65536\n");
    }
    let range = |uid: &str| {
        let script = format!(
            "setpriv --reuid {uid} --regid 100 --clear-groups env HOME=/ \
             {HELPER} session --home / -- awk '$1 == 0 {{ print $2 }}' /proc/self/uid_map"
        );
        host.sh("root", &script).ok().text().to_owned()
    };
    let said = [range("1200"), range("1201")];
    assert_eq!(said, ["3000000", "4000000"]);
    // They, and root, may name them to the command line as well.
    host.sh(
        "root",
        "setpriv --reuid 1200 --regid 100 --clear-groups env HOME=/home/d1 caddis run true",
    )
    .ok();
    let said = host.sh("root", r"caddis run --user $'d\351' id -u").ok();
    assert_eq!(said.text(), "1201");
}

/// A comment gives no user its name. On the old code bob, who is denied, came in as "#was".
#[test]
fn a_comment_in_the_user_database_is_no_way_around_the_policy() {
    let host = Host::start().unwrap();
    let mut text = b"#was:x:1001:1001::/home/bob:/bin/bash\n".to_vec();
    text.extend(host.read("/etc/passwd"));
    host.write("/etc/passwd", &text, 0o644);
    host.policy("[access]\ndeny_users = [\"bob\"]\n");
    host.caddis("bob", &["run", "true"])
        .run()
        .exits(125)
        .says("user bob may not use Caddis");
}

/// A process may call itself anything. Its name ends neither the list of processes nor what stops
/// them.
#[test]
fn a_process_with_an_odd_name_is_listed_and_stopped() {
    let host = Host::start().unwrap();
    let program = "import ctypes, signal\n\
        ctypes.CDLL(None).prctl(15, b'\\xff) Z 1 (\\n', 0, 0, 0)\n\
        print('ready', flush=True)\n\
        signal.pause()\n";
    let start = || {
        let mut process = host
            .caddis("alice", &["run", "python3", "-c", program, "odd-one"])
            .spawn();
        process.until("ready");
        process
    };
    let process = start();
    let lists = |user: &str, command: &str| {
        let said = host.sh(user, command).ok();
        assert!(said.stdout.contains("odd-one"), "{said}");
    };
    lists("alice", "caddis ps");
    lists("root", "caddis admin ps");
    host.caddis("alice", &["stop"]).run().ok();
    process.wait().fails();
    let process = start();
    host.sh("root", "caddis admin stop --user alice").ok();
    process.wait().fails();
    assert_eq!(host.count("^caddis-init"), 0);
}

/// A mount of a user's whose path is no text: on the old code everybody's `caddis doctor` could not
/// tell any more what the host's root file system is.
#[test]
fn a_mount_with_an_odd_path_disturbs_nobody() {
    let host = Host::start().unwrap();
    host.sh("root", "chmod 666 /dev/fuse").ok();
    let mount =
        r"mkdir -p ~/source ~/$'\351) \\040' && bindfs --no-allow-other ~/source ~/$'\351) \\040'";
    host.sh("alice", mount).ok();
    let said = host.sh("bob", "caddis doctor").ok();
    assert!(!said.stdout.contains("cannot be determined"), "{said:?}");
    host.inside("bob", "true").ok();
    host.inside("alice", "true").ok();
    host.sh("root", "caddis admin refresh --full").ok();
}

/// Lines that sshd passes over take no command from the key after them, and lines of the base's
/// package database that are none fail no start and no refresh.
#[test]
fn odd_keys_and_an_odd_package_database() {
    let ssh = Ssh::start(Way::ForceCommand);
    let host = &ssh.host;
    let keys = "/home/alice/.ssh/authorized_keys";
    let key = host.read_text(keys);
    let mut text = b"\xff\xfe\0\x1b]0;x\x07\n command=\"\n\0\nssh-ed25519 \xe9\xe9\n".to_vec();
    text.extend(vec![b'A'; 1 << 16]);
    text.extend(format!("\r\ncommand=\"echo only this $CADDIS_ENV\" {key}").bytes());
    host.write(keys, &text, 0o600);
    host.sh("root", &format!("chown alice {keys}")).ok();
    assert_eq!(ssh.run("echo anything").ok().text(), "only this default");

    let mut session = host.session("bob", "echo ready; read -r end");
    session.until("ready");
    host.append("/var/lib/dpkg/status", b"\xff\xfe no field\n\0\n");
    host.append("/etc/nsswitch.conf", b"\xff: \xff\n\0");
    host.sh("root", "touch /var/lib/dpkg/info/$'\\377'.list")
        .ok();
    host.sh("root", "caddis admin refresh --full").ok();
    host.inside_root("bob", "true").ok();
    host.inside("carol", "true").ok();
    eventually("bob's session goes on", || !session.has_ended());
}

//! A key that is good for one command only stays that where logins lead into environments: sshd does not see to it then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output, Signal, eventually};
use caddis_tests::another_sshd;

const KEYS: &str = "/home/alice/.ssh/authorized_keys";
const SSH: &str = "ssh -o StrictHostKeyChecking=no -o LogLevel=ERROR -o BatchMode=yes";

/// Where sshd forces every login into environments, and where it does not.
const OURS: u16 = 22;
const PLAIN: u16 = 2022;

/// A host with both, and the key that root has for alice.
fn host() -> (Host, String) {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir -p -m 755 /run/sshd && caddis admin login enable --no-reload && mkdir -p -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && \
         install -d -o alice -g alice -m 700 /home/alice/.ssh && install -o alice -g alice -m 600 /dev/null /home/alice/.ssh/authorized_keys",
    )
    .ok();
    host.start_sshd();
    let plain = format!("-f /dev/null -p {PLAIN} -h /etc/ssh/ssh_host_ed25519_key");
    another_sshd(&host, &plain);
    let key = host.read_text("/root/.ssh/id_ed25519.pub");
    let mut words = key.split_ascii_whitespace();
    let key = format!("{} {}", words.next().unwrap(), words.next().unwrap());
    (host, key)
}

/// A login that is cut off while the user's shell on the host, which comes before caddis-login, still runs: as `.bashrc` says
/// here, until sshd has taken back what it has said of the key. `meanwhile` is done after that, with the name of sshd's file.
fn hung_up(host: &Host, meanwhile: impl FnOnce(&str)) {
    let marks = ["begun", "gone", "go-on", "over"].map(|mark| format!("/home/alice/{mark}"));
    let [begun, gone, go_on, over] = &marks;
    host.sh("root", &format!("rm -f {}", marks.join(" "))).ok();
    host.write(
        "/home/alice/.bashrc",
        "[ -z \"$CADDIS_ENV\" ] || return\ntrap 'echo $? > ~/over' EXIT\ntouch ~/begun\n\
         while [ -e \"$SSH_USER_AUTH\" ]; do sleep 0.01; done\necho $SSH_USER_AUTH > ~/gone.new; mv ~/gone.new ~/gone\n\
         until [ -e ~/go-on ]; do sleep 0.01; done\n",
        0o644,
    );
    let login = format!("exec {SSH} alice@localhost 'touch ~/anything'");
    let mut client = host.spawn("root", &login);
    eventually("the login", || host.exists(begun));
    client.kill(Signal::KILL);
    eventually("the end of its connection", || host.exists(gone));
    meanwhile(host.read_text(gone).trim());
    host.write(go_on, "", 0o644);
    eventually("the end", || host.exists(over));
    assert!(!host.exists("/home/alice/anything"));
}

fn log_in(host: &Host, port: u16) -> Output {
    log_in_as(host, port, "alice")
}

fn log_in_as(host: &Host, port: u16, user: &str) -> Output {
    let ask = format!("{SSH} -p {port} {user}@localhost 'echo anything'");
    host.sh("root", &ask)
}

/// Another account with the same number, and a home and keys of its own.
fn twin(host: &Host, name: &str, of: &str, line: &str) {
    let keys = format!("/home/{name}/.ssh/authorized_keys");
    let script = format!(
        "set -e; useradd -o -u $(id -u {of}) -g $(id -g {of}) -m -s /bin/bash -p '*' {name} 2> /dev/null\n\
         install -d -o {of} -m 700 /home/{name}/.ssh; install -o {of} -m 600 /dev/null {keys}"
    );
    host.sh("root", &script).ok();
    host.write(&keys, line, 0o600);
}

/// Nobody can write there any more; anybody could have brought that about.
fn fill_tmp(host: &Host) {
    host.sh("root", "mount -t tmpfs -o size=4k,mode=1777 tmpfs /tmp")
        .ok();
    host.sh("bob", "echo > /tmp/full").ok();
}

/// sshd says which key it was in a file that it removes when the connection ends.
#[test]
fn who_hangs_up_at_once_is_not_faster() {
    let (host, key) = host();
    host.write(KEYS, format!("restrict,command=\"id\" {key}\n"), 0o600);
    hung_up(&host, |_| {});
    // So for another root, whose name sshd's rule does not know.
    host.sh(
        "root",
        "sed -i 's/^alice:x:1000/alice:x:0/' /etc/passwd && chown -R root: /home/alice",
    )
    .ok();
    hung_up(&host, |_| {});
}

/// Where sshd's file was, another user can put one that says something else, or that cannot be read.
#[test]
fn nobody_else_says_which_key_it_was() {
    let (host, key) = host();
    host.write(KEYS, format!("restrict,command=\"id\" {key}\n"), 0o600);
    for mode in ["000", "644"] {
        hung_up(&host, |file| {
            let forge = format!(
                "umask 077; echo password > /tmp/forged; chmod {mode} /tmp/forged; mv /tmp/forged {file}"
            );
            host.sh("bob", &forge).ok();
        });
    }
}

/// Who becomes the user in a session of their own has proved that they may.
#[test]
fn somebody_elses_key_does_not_count_after_su() {
    let (host, key) = host();
    host.write(KEYS, format!("restrict,command=\"id\" {key}\n"), 0o600);
    host.sh(
        "root",
        "usermod -s /usr/local/bin/caddis-login alice; echo publickey > /root/auth",
    )
    .ok();
    for file in ["/root/auth", "/tmp/gone", ""] {
        let mut command = host
            .command("root", &["su", "alice"])
            .env("SSH_CONNECTION", "::1 1 ::1 22");
        if !file.is_empty() {
            command = command.env("SSH_USER_AUTH", file);
        }
        let output = command.stdin("echo in:$CADDIS_ENV").run().ok();
        assert!(output.stdout.ends_with("in:default\n"), "{output}");
    }
}

/// Anybody can fill /tmp, so that sshd cannot say which key it was.
#[test]
fn sshd_that_cannot_say_the_key_gives_no_shell() {
    let (host, key) = host();
    fill_tmp(&host);
    host.write(KEYS, format!("restrict,command=\"id\" {key}\n"), 0o600);
    let refused = log_in(&host, OURS).exits(125);
    assert_eq!(refused.stdout, "");
    assert!(refused.stderr.contains("room in /tmp"), "{refused}");
    // Where there is nothing to go by, nobody is kept out.
    host.write(KEYS, format!("restrict {key}\n"), 0o600);
    assert_eq!(log_in(&host, OURS).ok().stdout, "anything\n");
}

/// `AcceptEnv` may let the client say what sshd does not.
#[test]
fn the_client_does_not_say_which_key_it_was() {
    let (host, key) = host();
    let port = 2023;
    host.write(
        "/etc/ssh/sshd_config.d/50-site.conf",
        "AcceptEnv SSH_*\n",
        0o644,
    );
    host.sh("root", &format!("/usr/sbin/sshd -p {port} -o PidFile=none"))
        .ok();
    host.write(
        KEYS,
        format!("restrict,command=\"echo restricted\" {key}\n"),
        0o600,
    );
    let said = "/home/alice/.bashrc /tmp/sshauth.x/../../home/alice/.bashrc /etc/passwd";
    let log_in = |said: &str| {
        let ask = format!("{SSH} -p {port} -o SetEnv=SSH_USER_AUTH={said} alice@localhost id");
        host.sh("root", &ask)
    };
    for said in said.split(' ') {
        assert_eq!(log_in(said).ok().stdout, "restricted\n");
    }
    fill_tmp(&host);
    // A directory takes no room there.
    host.sh("bob", "mkdir -m 755 /tmp/sshauth.x").ok();
    for said in said.split(' ') {
        assert_eq!(log_in(said).exits(125).stdout, "");
    }
}

/// What a certificate is good for it says itself; nothing in the user's home speaks of it.
#[test]
fn nor_does_a_certificate_that_cannot_be_seen() {
    let (host, key) = host();
    host.sh("root", "ssh-keygen -q -t ed25519 -N '' -f ~/ca && ssh-keygen -q -s ~/ca -I id -n alice -O force-command='echo restricted' ~/.ssh/id_ed25519.pub")
        .ok();
    let authority = host.read_text("/root/ca.pub");
    host.write("/etc/ssh/ca.pub", &authority, 0o644);
    let trusted = "/etc/ssh/sshd_config.d/70-site.conf";
    // By sshd's configuration, then by the user's own.
    host.write(trusted, "TrustedUserCAKeys /etc/ssh/ca.pub\n", 0o644);
    let port = 2023;
    host.sh("root", &format!("/usr/sbin/sshd -p {port} -o PidFile=none"))
        .ok();
    assert_eq!(log_in(&host, port).ok().stdout, "restricted\n");
    fill_tmp(&host);
    assert_eq!(log_in(&host, port).exits(125).stdout, "");
    host.sh("root", &format!("umount /tmp; rm {trusted}")).ok();
    host.write(KEYS, format!("cert-authority {authority}"), 0o600);
    assert_eq!(log_in(&host, OURS).ok().stdout, "restricted\n");
    fill_tmp(&host);
    assert_eq!(log_in(&host, OURS).exits(125).stdout, "");
    // Where there are none, nobody is kept out.
    host.write(KEYS, &key, 0o600);
    host.sh("root", "rm ~/.ssh/id_ed25519-cert.pub").ok();
    assert_eq!(log_in(&host, OURS).ok().stdout, "anything\n");
}

/// Each of several accounts with one number has keys of its own. So has another root, whom sshd's rule does not know.
#[test]
fn it_is_the_account_that_was_logged_in_to() {
    let (host, key) = host();
    let restricted = format!("restrict,command=\"echo restricted\" {key}\n");
    host.write(KEYS, &key, 0o600);
    for (name, of) in [("service", "alice"), ("toor", "root")] {
        twin(&host, name, of, &restricted);
        for port in [PLAIN, OURS] {
            let said = log_in_as(&host, port, name).ok();
            assert_eq!(said.stdout, "restricted\n", "{port}: {name}");
        }
    }
    assert_eq!(log_in(&host, OURS).ok().stdout, "anything\n");
    fill_tmp(&host);
    for name in ["service", "toor"] {
        let refused = log_in_as(&host, OURS, name).exits(125);
        assert_eq!(refused.stdout, "", "{refused}");
    }
}

/// sshd compares the numbers in a key; who sends one in, to be let in for one command, chooses how they are written.
#[test]
fn a_key_that_is_spelled_in_another_way_is_the_same() {
    let (host, _) = host();
    host.sh(
        "root",
        "ssh-keygen -q -t rsa -b 2048 -N '' -f ~/.ssh/id_rsa",
    )
    .ok();
    host.write("/root/respell", RESPELL, 0o644);
    let lines = host.sh("root", "python3 ~/respell").ok().stdout;
    assert_eq!(lines.lines().count(), 7);
    for line in lines.lines() {
        let (file, line) = line.split_once(' ').unwrap();
        let line = format!("restrict,command=\"echo restricted\" {line}\n");
        host.write(KEYS, &line, 0o600);
        for port in [PLAIN, OURS] {
            let ask = format!("{SSH} -o IdentitiesOnly=yes -i {file} -p {port} alice@localhost id");
            assert_eq!(
                host.sh("root", &ask).ok().stdout,
                "restricted\n",
                "{port}: {line}"
            );
        }
    }
}

/// Root's keys: the private key's file, and the public one in a spelling that ssh-keygen does not use.
const RESPELL: &str = r#"
import base64, struct
def fields(blob):
    while blob:
        end = 4 + struct.unpack(">I", blob[:4])[0]
        yield blob[4:end]
        blob = blob[end:]
def key(name):
    kind, digits = open(f"/root/.ssh/{name}.pub").read().split()[:2]
    return kind, list(fields(base64.b64decode(digits)))
def show(name, kind, *fields):
    blob = b"".join(struct.pack(">I", len(field)) + field for field in fields)
    print(f"/root/.ssh/{name} {kind}", base64.b64encode(blob).decode())
kind, (name, e, n) = key("id_rsa")
show("id_rsa", kind, name, b"\0\0" + e, n)
show("id_rsa", kind, name, e, b"\0\0\0" + n)
show("id_rsa", kind, b"rsa-sha2-512", e, n)
show("id_rsa", "rsa-sha2-256", b"RSA", b"\0" + e, n)
kind, (name, point) = key("id_ed25519")
for short in b"ED25519", b"ed25519", b"Ed25519":
    show("id_ed25519", kind, short, point)
"#;

#[test]
fn odd_lines_mean_what_they_mean_to_sshd() {
    let (host, key) = host();
    let (kind, digits) = key.split_once(' ').unwrap();
    let (head, tail) = digits.split_at(20);
    let restricted = format!("command=\"echo restricted\" {key}\n");
    for line in [
        restricted.clone(),
        format!("command=\"echo restricted\"\t{key}\r\n"),
        format!("command=\"echo restricted\" {key}\u{b}\n"),
        format!("command=\"echo restricted\" {key}\0comment\n"),
        format!("command=\"echo restricted\" {kind} {head}\u{c}{tail}\n"),
        format!("no-pyt {key}\n{restricted}"),
        format!("environment=\"x\" {key}\n{restricted}"),
        format!("tunnel=\"x\" {key}\n{restricted}"),
        format!("from=\"192.0.2.1\" {key}\n{restricted}"),
        format!("expiry-time=\"20200101\" {key}\n{restricted}"),
        format!("{kind}\r{digits}\n{restricted}"),
        format!("\u{c}{key}\n{restricted}"),
        format!("ssh-ed2551 {digits}\n{restricted}"),
    ] {
        host.write(KEYS, &line, 0o600);
        for port in [PLAIN, OURS] {
            let said = log_in(&host, port).ok();
            assert_eq!(said.stdout, "restricted\n", "{port}: {line:?}");
        }
    }
    // Which of two commands it is, is not guessed.
    let two = format!("from=\"192.0.2.1\",command=\"echo wrong\" {key}\n{restricted}");
    host.write(KEYS, two, 0o600);
    assert_eq!(log_in(&host, PLAIN).ok().stdout, "restricted\n");
    let refused = log_in(&host, OURS).exits(125);
    assert!(
        refused.stderr.contains("more than one command"),
        "{refused}"
    );
    assert_eq!(refused.stdout, "");
}

#[test]
fn such_a_key_does_not_choose_the_environment() {
    let (host, key) = host();
    let log_in = || {
        let ask =
            format!("{SSH} -o SetEnv=CADDIS_LOGIN_ENV=other alice@localhost 'echo $CADDIS_ENV'");
        host.sh("root", &ask).ok().stdout
    };
    host.write(KEYS, format!("command=\"echo $CADDIS_ENV\" {key}\n"), 0o600);
    assert_eq!(log_in(), "default\n");
    assert!(!host.exists("/var/lib/caddis/env/1000/other"));
    host.write(KEYS, key, 0o600);
    assert_eq!(log_in(), "other\n");
}

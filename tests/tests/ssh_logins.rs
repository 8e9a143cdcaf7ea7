//! Who is logged in is known to the host, many can log in at once, and nobody is locked out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, Output};
use caddis_tests::{HELPER, Ssh, State, Way, every_way};
use std::fmt::Write;
use std::time::Duration;

every_way!(the_host_knows_who_is_logged_in);

fn the_host_knows_who_is_logged_in(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    let who = || {
        host.sh("root", "who | cut -d' ' -f1; who -q | tail -n 1")
            .ok()
            .stdout
    };
    assert_eq!(who(), "# users=0\n");
    let mut first = ssh.login();
    let mut second = ssh.login();
    assert_eq!(who(), "alice\nalice\n# users=2\n");
    let from = host.sh("root", "who -u").ok().stdout;
    assert_eq!(from.matches("(::1)").count(), 2, "{from}");
    // What is on the second one's terminal is alice's, on the host as well.
    caddis_lab::eventually("nobody else is there", || {
        let users = host.sh("root", "ps -o user= -t pts/3 | sort -u").ok();
        users.text() == "alice"
    });
    // A command without a terminal is no login in this book, as ever.
    ssh.lands();
    assert_eq!(who(), "alice\nalice\n# users=2\n");
    // A message for all reaches them, in an environment too.
    host.sh("root", "echo 'Going down at noon.' | wall").ok();
    for pty in [&mut first, &mut second] {
        pty.expect("Going down at noon.");
        pty.send("exit\n");
    }
    first.wait().ok();
    second.wait().ok();
    caddis_lab::eventually("both are gone", || who() == "# users=0\n");
    // Two came and two went: utmp(5)'s USER_PROCESS and DEAD_PROCESS.
    let look = "utmpdump /var/log/wtmp 2>/dev/null | cut -c-3 | sort | uniq -c | tr -s ' '";
    // sshd writes there after the other book.
    caddis_lab::eventually("the end is written", || {
        host.sh("root", look).ok().stdout == " 2 [7]\n 2 [8]\n"
    });
}

/// Half of them by a forced command, half by their shell.
#[test]
fn two_hundred_people_are_in_at_once() {
    const PEOPLE: u32 = 200;
    let host = Host::start().unwrap();
    let ssh = Ssh::on(
        host,
        Way::Shell,
        "MaxStartups 1000\nLoginGraceTime 0\nAuthorizedKeysFile /etc/ssh/keys\n\
         Match User user*1,user*3,user*5,user*7,user*9\n\tForceCommand /usr/local/bin/caddis-login\n",
    );
    let host = &ssh.host;
    let key = host.read_text("/home/bob/.ssh/id_ed25519.pub");
    host.write("/etc/ssh/keys", key, 0o644);
    // As useradd would, one after the other.
    let (mut passwd, mut shadow, mut group) = (String::new(), String::new(), String::new());
    for uid in 3000..3000 + PEOPLE {
        let shell = match uid % 2 {
            0 => "/usr/local/bin/caddis-login",
            _ => "/bin/bash",
        };
        writeln!(passwd, "user{uid}:x:{uid}:{uid}::/home/user{uid}:{shell}").unwrap();
        writeln!(shadow, "user{uid}:*:19000:0:99999:7:::").unwrap();
        writeln!(group, "user{uid}:x:{uid}:").unwrap();
    }
    for (path, lines) in [
        ("/etc/passwd", passwd),
        ("/etc/shadow", shadow),
        ("/etc/group", group),
    ] {
        host.append(path, lines);
    }
    // All clients are started before the first one is in, and everybody stays until the last one is.
    let everybody = format!(
        "mkfifo hold; exec 9<> hold; for uid in $(seq 3000 {}); do {{ ssh user$uid@localhost \
         'echo \"in [$CADDIS_ENV]\"; cat; touch /var/tmp/mark; exit 5' < hold; echo \"out $?\"; }} 9>&- & done; \
         read -r word; exec 9>&-; wait",
        2999 + PEOPLE
    );
    let homes = format!(
        "for uid in $(seq 3000 {}); do install -d -m 700 -o $uid -g $uid /home/user$uid; done",
        2999 + PEOPLE
    );
    host.sh("root", &homes).ok();
    let argv = ["bash", "-c", &everybody];
    let deadline = Duration::from_secs(280);
    let mut clients = host.command("bob", &argv).deadline(deadline).spawn();
    for _ in 0..PEOPLE {
        assert_eq!(clients.line(), "in [default]");
    }
    clients.send("all\n");
    for _ in 0..PEOPLE {
        assert_eq!(clients.line(), "out 5");
    }
    let said = clients.wait().ok();
    assert_eq!(said.stderr, "");
    assert!(!host.exists("/var/tmp/mark"));
}

/// A login that cannot be met is refused with a reason and a hint, and nothing on standard output.
#[track_caller]
fn refused(output: Output, reason: &str) {
    let output = output.fails().says(reason).says("  hint: ");
    assert_eq!(output.stdout, "");
    assert!(output.stderr.starts_with("caddis: "), "{output}");
}

/// A host where carol, a member of sudo, and root get in whatever becomes of Caddis; alice has used hers.
fn administrators(way: Way, host: Host) -> Ssh {
    host.sh("root", "usermod -aG sudo carol").ok();
    if way == Way::Shell {
        host.sh("root", "usermod -s /usr/local/bin/caddis-login carol")
            .ok();
    }
    let ssh = Ssh::on(host, way, "");
    ssh.lands();
    ssh.host.sh("root", "caddis admin stop --all").ok();
    ssh
}

/// Their commands run on the plain host.
#[track_caller]
fn plain_host_for_administrators(ssh: &Ssh) -> String {
    let plain = ssh.host.run("root", &["readlink", "/proc/self/ns/mnt"]);
    let plain = plain.ok().stdout;
    // carol by sshd, which does not force the command on her, or by caddis-login, which is her shell.
    for who in ["root", "carol"] {
        let said = ssh.ssh(&[who, "readlink /proc/self/ns/mnt"]).run();
        assert_eq!(said.ok().stdout, plain, "{who}");
    }
    plain
}

/// So does everything else they do.
#[track_caller]
fn administrators_get_in(ssh: &Ssh) {
    let plain = plain_host_for_administrators(ssh);
    for who in ["root", "carol"] {
        let fed = ssh
            .ssh(&["-T", who])
            .stdin("readlink /proc/self/ns/mnt\nexit 3\n");
        let fed = fed.run().exits(3).stdout;
        assert!(fed.ends_with(&plain), "{who}: {fed}");
        let mut pty = ssh.terminal(&["-tt", who]);
        pty.expect("@host:~");
        pty.send("exit 4\n");
        pty.wait().exits(4);
    }
    ssh.host
        .sh(
            "bob",
            "echo x > file; scp -q file carol:f; scp -qO carol:f file; sftp -q -b /dev/null carol",
        )
        .ok();
}

#[test]
fn with_a_broken_policy_administrators_get_in_and_others_are_told() {
    for way in [Way::ForceCommand, Way::Shell] {
        let ssh = administrators(way, Host::start().unwrap());
        for broken in [
            "[login]\nno_such_key = 1\n",
            "[[[",
            "\u{0}\u{ff}",
            "[access]\nmin_uid = \"many\"\n",
        ] {
            ssh.host.policy(broken);
            refused(ssh.run("echo out"), "/etc/caddis/policy.toml");
            plain_host_for_administrators(&ssh);
        }
        let shown = ssh.terminal(&["-tt", "there"]).wait().fails().stdout;
        assert!(
            shown.contains("caddis: ") && shown.contains("hint: "),
            "{shown}"
        );
        administrators_get_in(&ssh);
        // Who is let through is read as far as it can be.
        ssh.host
            .policy("[login]\nbypass_groups = [\"proj\"]\nno_such_key = 1\n");
        let said = ssh.run("echo \"[$CADDIS_ENV]\"").ok();
        assert_eq!(said.text(), "[]");
        // Without a policy, or with one that others could exchange, nobody is let through who was
        // not before, and nobody is locked out.
        for spoil in [
            "rm /etc/caddis/policy.toml",
            "install -m 644 /dev/null /etc/caddis/policy.toml; chmod 777 /etc/caddis",
        ] {
            ssh.host.sh("root", spoil).ok();
            refused(ssh.run("echo out"), "/etc/caddis");
            plain_host_for_administrators(&ssh);
            administrators_get_in(&ssh);
        }
        ssh.host.sh("root", "chmod 755 /etc/caddis").ok();
        ssh.lands();
    }
}

#[test]
fn without_the_helper_or_room_administrators_get_in_and_others_are_told() {
    for way in [Way::ForceCommand, Way::Shell] {
        let host = Host::builder()
            .disk("/disk", FileSystem::Ext4, "12M")
            .start()
            .unwrap();
        host.sh("root", "mount --bind /disk /var/lib/caddis; umount /disk; chmod 700 /var/lib/caddis; caddis admin refresh")
            .ok();
        let ssh = administrators(way, host);
        let host = &ssh.host;
        host.sh(
            "root",
            "mkdir /var/lib/caddis/filler; cd /var/lib/caddis/filler; cat /dev/zero > zeros; i=0; \
             while mkdir $((i += 1)); do :; done",
        );
        // An environment that is there can be used; one that is not cannot be made.
        ssh.run("true").ok();
        let made = ssh.ssh(&["project", "echo out"]).run();
        refused(made, "No space left on device");
        plain_host_for_administrators(&ssh);
        host.sh("root", "rm -r /var/lib/caddis/filler").ok();
        ssh.lands();
        host.run("root", &["mv", HELPER, "/root/"]).ok();
        refused(ssh.run("echo out"), "caddis-helper");
        administrators_get_in(&ssh);
        host.run(
            "root",
            &["install", "-m", "755", "/root/caddis-helper", HELPER],
        )
        .ok();
        refused(ssh.run("echo out"), "setuid");
        plain_host_for_administrators(&ssh);
    }
}

#[test]
fn without_the_program_root_gets_in() {
    for way in [Way::ForceCommand, Way::Shell] {
        let ssh = administrators(way, Host::start().unwrap());
        std::fs::remove_file(ssh.host.root_path().join("usr/local/bin/caddis-login")).unwrap();
        let said = ssh.run("echo out").fails();
        assert_eq!(said.stdout, "");
        assert_eq!(ssh.ssh(&["root", "id -u"]).run().ok().text(), "0");
        ssh.host
            .sh(
                "root",
                "usermod -s /bin/bash alice; rm -f /etc/ssh/sshd_config.d/60-caddis.conf; kill -HUP $(cat /run/sshd.pid)",
            )
            .ok();
        caddis_lab::eventually("sshd has read its configuration again", || {
            ssh.run("echo out").stdout == "out\n"
        });
    }
}

#[test]
fn the_plain_host_can_be_asked_for_where_the_policy_allows_it() {
    for way in [Way::ForceCommand, Way::Shell] {
        let ssh = Ssh::start(way);
        let asks = [
            "caddis-login --host echo 'a  b' \"[$CADDIS_ENV]\"",
            "/usr/local/bin/caddis-login --host echo 'a  b' \"[$CADDIS_ENV]\"",
        ];
        for ask in asks {
            refused(ssh.run(ask), "login.host");
        }
        ssh.host.policy("[login]\nhost = true\n");
        for ask in asks {
            assert_eq!(ssh.run(ask).ok().stdout, "a  b []\n", "{way:?}");
        }
        let mut pty = ssh.terminal(&["-tt", "there", "caddis-login --host"]);
        pty.expect("alice@host:~$ ");
        pty.send("echo [$CADDIS_ENV] $((1 + 1)); shopt login_shell; exit 3\n");
        pty.expect("[] 2\r\nlogin_shell    \ton\r\n");
        pty.wait().exits(3);
        ssh.lands();
    }
}

#[test]
fn accounts_below_the_least_uid_stay_on_the_host() {
    for way in [Way::ForceCommand, Way::Shell] {
        let ssh = Ssh::start(way);
        ssh.host.policy("[access]\nmin_uid = 1001\n");
        let said = ssh.run("echo \"[$CADDIS_ENV]\"; exit 3").exits(3);
        assert_eq!(said.text(), "[]");
        // Who is denied an environment is told, and not let through.
        ssh.host.policy("[access]\ndeny_users = [\"alice\"]\n");
        refused(ssh.run("echo out"), "alice");
    }
}

//! `caddis-login` in place of the user's shell: what is called as that shell would be does what that shell would do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::login::{Answers, LOGIN, POLICY, WHERE, called, forced};
use caddis_tests::{Environments, HELPER, another_sshd};

#[track_caller]
fn same(plain: Output, ours: Output) {
    assert_eq!(
        (&plain.stdout, plain.code()),
        (&ours.stdout, ours.code()),
        "{plain}{ours}"
    );
}

/// Strings that go wrong where anything but one shell reads them.
const HOSTILE: [&str; 9] = [
    "printf '<%s>' a  b 'c  d' \"e'f\" \\\"g\\\" $(echo '$x') `echo h`; exit 7",
    "echo \"$0 $# $-\"; kill -9 $$",
    "echo a\necho b # c\n",
    "  ",
    "",
    "cat <<'X'\n$(id)\nX\n",
    "--",
    "echo \u{e4}\u{20ac}; (exit 3)",
    "no-such-command",
];

#[test]
fn every_form_means_what_it_means_to_the_shell() {
    let host = Host::start().unwrap();
    let told = r#"printf '<%s>' "$0" "$-" "$@"; shopt login_shell; echo $SHLVL $SHELL"#;
    for (name, ours, arguments) in [
        ("bash", "caddis-login", &["-c", told][..]),
        (
            "bash",
            "caddis-login",
            &["-c", told, "zero", "one", "two  'three'"],
        ),
        ("bash", "caddis-login", &["-lc", told]),
        ("bash", "sh", &["-l", "-c", told]),
        ("-bash", "-caddis-login", &["-c", told]),
        ("-bash", "-sh", &[]),
        ("bash", "caddis-login", &[]),
        ("bash", "sh", &["-s", "--", "one"]),
        ("bash", "caddis-login", &["-i", "--norc", "-c", told]),
        ("bash", "caddis-login", &["--version"][..0]),
    ] {
        let run = |program, name| {
            called(&host, "alice", program, name, arguments)
                .stdin(told)
                .run()
        };
        same(run("/bin/bash", name), run(LOGIN, ours));
    }
    for string in HOSTILE {
        let run = |program| called(&host, "alice", program, "bash", &["-c", string]).run();
        same(run("/bin/bash"), run(LOGIN));
    }
}

#[test]
fn as_a_forced_command_it_does_what_the_client_asked_for() {
    let host = Host::start().unwrap();
    let long = format!("echo {} | wc -c", "x".repeat(100_000));
    for string in HOSTILE.into_iter().chain([long.as_str()]) {
        let plain = called(&host, "alice", "/bin/bash", "bash", &["-c", string]).run();
        same(plain, forced(&host, "alice", Some(string)).run());
    }
    let told = format!("shopt -q login_shell && {WHERE} $0");
    host.sh("alice", "touch .hushlogin").ok();
    forced(&host, "alice", None)
        .stdin(&told)
        .run()
        .answers("default -bash");
    // The user's shell may be this program as well.
    called(&host, "alice", LOGIN, "caddis-login", &["-c", LOGIN])
        .env("SSH_ORIGINAL_COMMAND", WHERE)
        .run()
        .answers("default");
}

#[test]
fn over_ssh_nothing_is_different_but_the_place() {
    let host = Host::start().unwrap();
    host.start_sshd();
    let (plain, ours) = (ssh(&host, 22), forcing_sshd(&host));
    // bash on the host then goes on beside the forced command, which is no longer the first shell's only one.
    host.write("/home/alice/.bashrc", "trap : EXIT\nREAD=yes\n", 0o644);
    let tidy = |output: Output| {
        let own = [
            "CADDIS_ENV=",
            "CADDIS_HOST=",
            "debian_chroot=",
            "SSH_C",
            "SSH_USER_AUTH=",
        ];
        let mut lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
        lines.retain(|line| !own.iter().any(|own| line.starts_with(own)));
        lines.sort();
        (lines, output.stderr.clone(), output.code())
    };
    let told = |ssh: &str| {
        [
            format!("{ssh} 'echo a $READ; >&2 echo b; env; exit 7'"),
            // The message of the day is among what this shows, once.
            format!("echo 'echo $0 $- $SHLVL' | {ssh}"),
        ]
        .map(|script| tidy(host.sh("root", &script)))
    };
    assert_eq!(told(&plain), told(&ours));
    assert_eq!(told(&plain)[0].2, 7);
    let place = |ssh| host.sh("root", &format!("{ssh} '{WHERE}'"));
    place(&plain).answers("host");
    place(&ours).answers("default");
}

#[test]
fn the_client_may_name_the_environment() {
    let host = Host::start().unwrap();
    let ssh = forcing_sshd(&host);
    let told = format!("{WHERE} ${{CADDIS_LOGIN_ENV-gone}}");
    let named = |name: &str| {
        host.command(
            "root",
            &[
                "bash",
                "-c",
                &format!("{ssh} -o SendEnv=CADDIS_LOGIN_ENV '{told}'"),
            ],
        )
        .env("CADDIS_LOGIN_ENV", name)
        .run()
    };
    named("other").answers("other gone");
    let refused = named("../x").exits(125);
    assert!(
        refused.stderr.contains("environment name `../x`"),
        "{refused}"
    );
    assert_eq!(refused.stdout, "");
}

#[test]
fn a_command_that_belongs_to_the_key_is_run_instead() {
    let host = Host::start().unwrap();
    let ssh = forcing_sshd(&host);
    let keys = "/home/alice/.ssh/authorized_keys";
    let key = host.read_text(keys);
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxhYi1sYWItbGFiLWxhYi1sYWItbGFiLWxhYi1sYWI=";
    let line = format!(
        "command=\"echo wrong\" {other}\nno-pty,CoMMand=\"echo \\\"$SSH_ORIGINAL_COMMAND\\\" in $CADDIS_ENV\" {key}"
    );
    host.write(keys, line, 0o600);
    let ran = host.sh("root", &format!("{ssh} \"id  'x'\"")).ok();
    assert_eq!(ran.stdout, "id  'x' in default\n");
    // Also where the plain host is what they get.
    host.sh("root", "usermod -aG sudo alice").ok();
    let ran = host.sh("root", &format!("{ssh} whoami")).ok();
    assert_eq!(ran.stdout, "whoami in\n");
    // A certificate has it inside.
    let made = "cd /root/.ssh && ssh-keygen -q -N '' -f ca && echo \"cert-authority $(cat ca.pub)\" > /home/alice/.ssh/authorized_keys && \
        ssh-keygen -q -s ca -I x -n alice -O force-command='echo forced $CADDIS_ENV' id_ed25519.pub";
    host.sh("root", &format!("{made} && gpasswd -d alice sudo"))
        .ok();
    host.sh("root", &format!("{ssh} whoami"))
        .answers("forced default");
}

#[test]
fn keys_that_cannot_be_read_are_no_way_round_their_command() {
    let host = Host::start().unwrap();
    host.sh(
        "alice",
        "umask 077; mkdir .ssh; mkdir .ssh/authorized_keys; echo publickey $(cut -d' ' -f1,2 < /etc/ssh/ssh_host_ed25519_key.pub) > /tmp/sshauth.x",
    )
    .ok();
    let run = || {
        forced(&host, "alice", Some("echo in"))
            .env("SSH_USER_AUTH", "/tmp/sshauth.x")
            .run()
    };
    let refused = run().exits(125);
    assert!(
        refused
            .stderr
            .contains("authorized_keys: it is not a regular file"),
        "{refused}"
    );
    assert_eq!(refused.stdout, "");
    host.sh("alice", "rmdir .ssh/authorized_keys").ok();
    run().answers("in");
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_on_standard_output() {
    let host = Host::start().unwrap();
    let fails = |expected: &str| {
        let output = forced(&host, "alice", Some("echo x")).run().exits(125);
        assert_eq!(output.stdout, "", "{output}");
        assert!(
            output.stderr.contains(expected) && output.stderr.contains("hint: "),
            "{output}"
        );
    };
    host.append(POLICY, "\nnonsense = 1\n");
    fails("read the policy");
    host.sh("root", &format!("mv {HELPER} /root")).ok();
    fails("start /usr/local/libexec/caddis/caddis-helper: No such file or directory");
    host.write(HELPER, "", 0o644);
    fails("start /usr/local/libexec/caddis/caddis-helper: Permission denied");
}

#[test]
fn whatever_the_user_did_inside_they_get_in_again() {
    let host = Host::start().unwrap();
    host.sh("root", &format!("chsh -s {LOGIN} alice")).ok();
    let gets_in = |expected: &str| {
        let told = format!("{WHERE} $SHELL $0");
        // A login shell would look into the user database itself, and wait.
        let output = called(&host, "alice", LOGIN, "caddis-login", &["-c", &told])
            .run()
            .ok();
        assert_eq!(output.stdout, format!("default {expected}\n"), "{output}");
    };
    gets_in("/bin/bash bash");
    let spoil = |script: &str| drop(host.inside_root("alice", script).ok());
    spoil(&format!("rm {LOGIN} /usr/local/bin/caddis"));
    gets_in("/bin/bash bash");
    spoil("chsh -s /bin/dash alice");
    gets_in("/bin/dash dash");
    spoil("mv /bin/dash /bin/sh.new; ln -sf sh.new /bin/sh");
    gets_in("/bin/bash bash");
    spoil("rm /etc/passwd; mkfifo /etc/passwd");
    gets_in("/bin/bash bash");
    spoil("rm /etc/passwd; ln -s /dev/zero /etc/passwd");
    gets_in("/bin/bash bash");
    spoil("rm /etc/passwd; truncate -s 100G /etc/passwd");
    gets_in("/bin/bash bash");
    spoil("rm /etc/passwd; mkdir /etc/passwd; rm -r /tmp; chmod 0 /var/tmp");
    gets_in("/bin/bash bash");
    spoil("rm /bin/bash");
    gets_in("/bin/sh sh");
}

#[test]
fn somebody_who_becomes_the_user_inside_gets_a_shell() {
    let host = Host::start().unwrap();
    host.sh("root", &format!("chsh -s {LOGIN} alice")).ok();
    let su = format!("su - alice -c '{WHERE} $SHELL'");
    let output = host.inside_root("alice", &su).ok();
    assert_eq!(output.stdout, "host /bin/bash\n", "{output}");
    // On the host it leads inside.
    host.sh("root", &su).answers("default /bin/bash");
}

#[test]
fn sshds_own_sftp_server_is_the_environments() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "sed -i 's|^Subsystem.*|Subsystem sftp internal-sftp -f AUTH|' /etc/ssh/sshd_config",
    )
    .ok();
    let ssh = forcing_sshd(&host);
    host.write("/root/up", "up\n", 0o644);
    let sftp = format!("sftp -P {FORCED} -q -b - -o StrictHostKeyChecking=no alice@localhost");
    let copied = host
        .command("root", &["bash", "-c", &sftp])
        .stdin("put /root/up /var/lib/x\nput /root/up /tmp/up\n")
        .run();
    assert!(copied.stderr.contains("Permission denied"), "{copied}");
    let put = host
        .command("root", &["bash", "-c", &sftp])
        .stdin("put /root/up /tmp/up\n")
        .run();
    put.ok();
    host.sh("root", &format!("{ssh} cat /tmp/up")).answers("up");
    assert!(!host.exists("/tmp/up"));
    host.inside_root("alice", "rm /usr/lib/openssh/sftp-server")
        .ok();
    let gone = forced(&host, "alice", Some("internal-sftp"))
        .run()
        .exits(125);
    assert!(gone.stderr.contains("install the sftp server"), "{gone}");
}

/// The command by which root logs in as alice, with a key, where sshd listens on this port.
fn ssh(host: &Host, port: u16) -> String {
    host.sh(
        "root",
        "mkdir -p -m 700 /root/.ssh && test -e /root/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; \
         install -d -o alice -g alice -m 700 /home/alice/.ssh && \
         install -o alice -g alice -m 600 /root/.ssh/id_ed25519.pub /home/alice/.ssh/authorized_keys",
    )
    .ok();
    format!("ssh -o StrictHostKeyChecking=no -o LogLevel=ERROR -p {port} alice@localhost")
}

/// Starts an sshd that forces every login of a user's into their environment, and returns the command to log in.
fn forcing_sshd(host: &Host) -> String {
    let config = "/etc/ssh/forcing_config";
    let more = format!(
        "Port {FORCED}\nAcceptEnv CADDIS_LOGIN_ENV\nExposeAuthInfo yes\nMatch User *,!root\nForceCommand {LOGIN}\n"
    );
    host.write(
        config,
        host.read_text("/etc/ssh/sshd_config") + "\n" + &more,
        0o644,
    );
    another_sshd(host, &format!("-f {config}"));
    ssh(host, FORCED)
}

/// The port of that one.
const FORCED: u16 = 2222;

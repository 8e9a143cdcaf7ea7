//! `ssh host COMMAND`: what the user's shell is given, and what comes back, are what they are without Caddis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::{Environments, Ssh, State, Way, every_way};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

every_way!(
    commands_mean_what_they_mean_on_the_host,
    an_empty_command_is_none,
    a_hundred_megabytes_each_way,
    streams_end_when_they_do_on_the_host,
    variables_are_those_of_the_login,
    the_users_own_shell_is_the_one_that_runs,
);

/// What a quoting mistake anywhere between sshd and the shell would change.
fn hostile_commands() -> Vec<OsString> {
    let texts = [
        "exit 7",
        "false",
        "kill -TERM $$",
        "kill -KILL $$",
        "no-such-command-here",
        "/etc/passwd",
        "echo out; echo err >&2; exit 3",
        "echo 'a  b' \"c  d\" e\\ f  g",
        "echo \"$0\" \"$#\" \"$-\" $HOME $PWD $SHLVL \"$_\"",
        "echo \"$BASH_EXECUTION_STRING\" $$$$ | tr -d 0-9",
        "shopt login_shell; shopt -o interactive_comments; [[ $- == *i* ]] || echo not interactive",
        "printf '<%s>' * ~ ?rivate.txt '*' \"~\"",
        "echo one\necho two\n\n\techo three",
        "cat <<E\n$USER's \\$words\nE\n",
        "   echo leading and trailing   ",
        "# nothing but a comment",
        " ",
        "\n",
        "-c echo",
        "-x",
        "--help",
        "--version",
        "--host",
        "--inside",
        "-- echo",
        "+x",
        "echo é ✓ 🦀 ﷽ | od -An -c",
        "'",
        "\"unterminated",
        "(",
        "echo )",
        "`",
        "$(",
        "\\",
        "echo back\\\nslash",
        "echo \\\\ '\\' \"\\\\\" $'\\x01\\x7f' | od -An -c",
        "echo `id -un` $(id -gn) $((6 * 7)) ${USER:-x}",
        "true && echo and || echo or; ! true; echo $?",
        "echo a & wait; echo b",
        "exec cat /proc/self/cmdline | tr '\\0' '|'",
        "read -r x; echo \"<$x>\"",
        "cd /usr && pwd; umask; ulimit -n",
        "!!; echo !x",
        "{ echo group; } | sed 's/^/[/; s/$/]/'",
        "a=(1 2 3); echo ${a[@]}; trap 'echo trapped' EXIT",
        ";",
        "&",
        "SSH_ORIGINAL_COMMAND=x; echo %s %n %d \\0",
    ];
    let mut commands: Vec<OsString> = texts.iter().map(OsString::from).collect();
    commands.push(format!("printf %s {} | wc -c", "x".repeat(100_000)).into());
    // Bytes that are no UTF-8, and every byte that an argument can hold.
    commands.push(OsString::from_vec(
        b"echo '\xff\xfe\x80' | od -An -c".into(),
    ));
    let mut every = b"printf %s '".to_vec();
    every.extend((1..=255).filter(|byte| *byte != b'\''));
    every.extend(b"' | sha256sum");
    commands.push(OsString::from_vec(every));
    commands
}

fn commands_mean_what_they_mean_on_the_host(way: Way) {
    let (plain, ssh) = (Ssh::start(Way::Plain), Ssh::start(way));
    // One connection for all of them: sshd starts each in the same way as one that comes alone.
    for ssh in [&plain, &ssh] {
        ssh.ssh(&["-S", ".ssh/all", "-fMN", "there"]).run().ok();
    }
    let told = |ssh: &Ssh, command: &OsStr| {
        let words = ["-S", ".ssh/all", "there", "--"].map(OsStr::new);
        let output = ssh
            .ssh(&[&words[..], &[command]].concat())
            .stdin("a line\n")
            .run();
        (output.code(), output.stdout, output.stderr)
    };
    for command in hostile_commands() {
        assert_eq!(
            told(&ssh, &command),
            told(&plain, &command),
            "{way:?}: {}",
            command.display()
        );
    }
    ssh.lands();
}

fn an_empty_command_is_none(way: Way) {
    // OpenSSH's client asks for a shell when it has no command; others ask for the command "".
    const CLIENT: &str = "import paramiko, sys\n\
        client = paramiko.SSHClient()\n\
        client.load_host_keys('/etc/ssh/ssh_known_hosts')\n\
        client.connect('localhost', username='alice', key_filename='.ssh/id_ed25519', look_for_keys=False)\n\
        channel = client.get_transport().open_session()\n\
        channel.exec_command(sys.argv[1])\n\
        try:\n\
        \x20   channel.sendall(b'echo a command on standard input\\n')\n\
        \x20   channel.shutdown_write()\n\
        except OSError: pass  # It has ended already.\n\
        print(channel.recv_exit_status(), channel.makefile().read(), channel.makefile_stderr().read())\n";
    let ssh = Ssh::start(way);
    let asked = |command: &str| {
        let argv = ["python3", "-W", "ignore", "-c", CLIENT, command];
        ssh.host.run("bob", &argv).ok().text().to_owned()
    };
    assert_eq!(asked(""), "0 b'' b''");
    assert_eq!(
        asked("read -r x; echo \"[$CADDIS_ENV] $x\""),
        format!(
            "0 b'[{}] echo a command on standard input\\n' b''",
            way.environment()
        )
    );
}

fn a_hundred_megabytes_each_way(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    host.sh("bob", "head -c 100M /dev/urandom > sent").ok();
    let back = "set -o pipefail; ssh there 'tee >(sha256sum > sum) && echo \"[$CADDIS_ENV]\" >&2' < sent | \
                sha256sum";
    let back = host.sh("bob", back).ok();
    assert_eq!(back.stderr, format!("[{}]\n", way.environment()));
    let sent = host.sh("bob", "sha256sum < sent").ok().stdout;
    assert_eq!(back.stdout, sent);
    // The substitution may end after tee.
    let seen = host.sh("alice", "until [ -s sum ]; do :; done; cat sum");
    assert_eq!(seen.ok().stdout, sent);
}

fn streams_end_when_they_do_on_the_host(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    // Each would hang if somebody kept an end of a pipe.
    assert_eq!(ssh.run("cat; echo end").ok().stdout, "end\n");
    let quiet = "sleep infinity < /dev/null > /dev/null 2>&1 & echo started";
    assert_eq!(ssh.run(quiet).ok().stdout, "started\n");
    host.comes_to("^sleep infinity", 1);
    // sshd waits for whoever holds the command's output, and no longer.
    let held = "(read -r x < fifo; echo \"late $x\") & echo early";
    host.sh("alice", "mkfifo fifo").ok();
    let mut child = ssh.ssh(&["there", held]).spawn();
    assert_eq!(child.line(), "early");
    host.sh("alice", "echo word > fifo").ok();
    assert_eq!(child.line(), "late word");
    child.wait().ok();
    // The end of input is seen, in the middle of output; an output that is closed early ends there.
    let mut child = ssh
        .ssh(&[
            "there",
            "exec 2>&-; while read -r x; do echo got $x; done; echo end; exit 4",
        ])
        .spawn();
    child.send("one\n");
    assert_eq!(child.line(), "got one");
    child.close_stdin();
    assert_eq!(child.line(), "end");
    child.wait().exits(4);
    let left = host.sh("bob", "ssh there yes | head -n 2").ok();
    assert_eq!(left.stdout, "y\ny\n");
    caddis_lab::eventually("the writer has ended", || host.count("^yes") == 0);
    ssh.lands();
}

/// The variables of a login, without what differs from one to the next.
fn variables(output: Output) -> Vec<String> {
    let text = output.ok().stdout;
    let mut lines: Vec<String> = text
        .split('\0')
        .filter(|line| !line.is_empty())
        .map(|line| match line.split_once('=') {
            Some((name @ ("SSH_CONNECTION" | "SSH_CLIENT"), value)) => {
                let words = value.split(' ').count();
                format!("{name} has {words} words")
            }
            _ => line.to_owned(),
        })
        .collect();
    lines.sort();
    lines
}

fn variables_are_those_of_the_login(way: Way) {
    let extra = "AcceptEnv LAB_*\nPermitUserEnvironment yes\n";
    let seen = |way: Way| {
        let ssh = Ssh::start_with(way, extra);
        ssh.host
            .write("/home/alice/.ssh/environment", "FROM_FILE=1\n", 0o644);
        ssh.host.append("/etc/environment", "FROM_PAM='a b'\n");
        let set = [
            "-o",
            "SetEnv=LC_ALL=C.UTF-8 LAB_WORD=x=y+z LAB_EMPTY= \"LAB_LINES=1\n2\" CADDIS_ENV=forged",
            "there",
        ];
        let command = ssh.ssh(&[&set[..], &["env -0"]].concat()).run();
        let mut pty = ssh.terminal(&["-tt", "there", "test -t 0 && tty && echo $SSH_TTY"]);
        pty.expect("/dev/pts/1\r\n/dev/pts/1\r\n");
        pty.wait().ok();
        variables(command)
    };
    let plain = seen(Way::Plain);
    assert!(plain.contains(&"LAB_LINES=1\n2".into()), "{plain:?}");
    let mut expected = plain;
    if way != Way::Plain {
        expected.push("CADDIS_ENV=default".into());
        // For the prompt, as everywhere in an environment.
        expected.push("debian_chroot=default".into());
        expected.sort();
    }
    let mut ours = seen(way);
    // The way to the host's `caddis`.
    let before = ours.len();
    ours.retain(|variable| !variable.starts_with("CADDIS_HOST=/proc/"));
    assert_eq!(before - ours.len(), usize::from(way != Way::Plain));
    assert_eq!(ours, expected);
}

fn the_users_own_shell_is_the_one_that_runs(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    match way {
        // The login shell is caddis-login on the host; the user's own is chosen inside.
        Way::Shell => host
            .inside_root("alice", "usermod -s /usr/bin/zsh alice")
            .ok(),
        _ => host.sh("root", "usermod -s /usr/bin/zsh alice").ok(),
    };
    host.sh(
        "alice",
        "echo 'FROM_ZPROFILE=read' > .zprofile; touch .zshrc",
    )
    .ok();
    let said = ssh.run(
        "echo $ZSH_VERSION | cut -c1; echo $SHELL \"[$CADDIS_ENV]\" $0; [[ -o login ]] || echo no",
    );
    assert_eq!(
        said.ok().stdout,
        format!("5\n/usr/bin/zsh [{}] zsh\nno\n", way.environment())
    );
    let fed = ssh
        .ssh(&["-T", "there"])
        .stdin("[[ -o login ]] && echo $0 $FROM_ZPROFILE; exit 3\n")
        .run()
        .exits(3);
    assert!(fed.stdout.ends_with("-zsh read\n"), "{fed}");
    ssh.lands();
}

#[test]
fn roots_commands_never_pass_through_caddis() {
    for way in [Way::ForceCommand, Way::Shell] {
        let ssh = Ssh::start(way);
        let host: &Host = &ssh.host;
        let own = host.run("root", &["readlink", "/proc/self/ns/mnt"]).ok();
        let said = ssh
            .ssh(&["root", "readlink /proc/self/ns/mnt; id -u"])
            .run();
        assert_eq!(said.ok().stdout, format!("{}0\n", own.stdout), "{way:?}");
    }
}

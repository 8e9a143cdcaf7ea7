//! A person at a terminal logs in by ssh: the shell, the keys, the window, the status, what is shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Pty, Signal, eventually};
use caddis_tests::{Ssh, State, Way, commands_are_told_of_the_size, every_way, in_foreground};

every_way!(
    a_login_shell_has_the_terminal,
    keys_and_job_control,
    the_status_is_the_shells,
    a_command_on_a_terminal,
    what_is_shown_at_login,
    a_dropped_connection_hangs_up,
);

/// Types a line and returns what is shown until the next prompt.
#[track_caller]
fn ask(pty: &mut Pty, line: &str) -> String {
    pty.send(&format!("{line}\n"));
    pty.expect("\r\n");
    let shown = pty.expect("alice@host:~$ ");
    let said = shown.rsplit_once("\r\n").map_or("", |(said, _)| said);
    said.replace('\r', "")
}

fn a_login_shell_has_the_terminal(way: Way) {
    let ssh = Ssh::start(way);
    ssh.host
        .append("/home/alice/.profile", "FROM_PROFILE=read\n");
    let mut pty = ssh.login();
    // bob's own terminal is the first one.
    assert_eq!(ask(&mut pty, "tty; stty size"), "/dev/pts/1\n24 80");
    assert_eq!(
        ask(
            &mut pty,
            "shopt login_shell; echo $0 $FROM_PROFILE $SSH_TTY"
        ),
        "login_shell    \ton\n-bash read /dev/pts/1"
    );
    assert_eq!(
        ask(&mut pty, "echo [$CADDIS_ENV] $TERM $SHELL"),
        format!("[{}] dumb /bin/bash", way.environment())
    );
    // The group that may write to terminals is the host's, so it has no name inside.
    assert_eq!(ask(&mut pty, "stat -c '%U %a' $(tty)"), "alice 620");
    pty.resize(50, 132);
    pty.send("until [ \"$(stty size)\" = '50 132' ]; do :; done; echo re''sized\n");
    pty.expect("resized\r\n");
    commands_are_told_of_the_size(&mut pty);
    pty.send("exit\n");
    pty.wait().ok();
}

fn keys_and_job_control(way: Way) {
    let ssh = Ssh::start(way);
    let mut pty = ssh.login();
    pty.send("sleep infinity\n");
    in_foreground(&ssh.host, "sleep");
    pty.send("\x03");
    pty.expect("alice@host:~$ ");
    assert_eq!(ask(&mut pty, "echo $?"), "130");
    for _ in 0..2 {
        pty.send("cat\n");
        in_foreground(&ssh.host, "cat");
        pty.send("\x1a");
        pty.expect("Stopped");
        pty.expect("alice@host:~$ ");
        assert!(ask(&mut pty, "jobs").contains("Stopped"));
        pty.send("fg\n");
        in_foreground(&ssh.host, "cat");
        pty.send("words\n");
        pty.expect("words\r\nwords\r\n");
        pty.send("\x04");
        pty.expect("alice@host:~$ ");
        assert_eq!(ask(&mut pty, "echo $?"), "0");
    }
    pty.send("ulimit -c 0; sleep infinity\n");
    in_foreground(&ssh.host, "sleep");
    pty.send("\x1c");
    pty.expect("alice@host:~$ ");
    assert_eq!(ask(&mut pty, "echo $?"), "131");
    // In the background it goes on, and the shell knows of its end.
    pty.send("sleep infinity & echo started $((1 + 1))\n");
    pty.expect("started 2\r\n");
    pty.send("kill %1; wait %1; echo status $?\n");
    pty.expect("status 143\r\n");
    pty.expect("alice@host:~$ ");
    // The end of input is the end of the shell.
    pty.send("\x04");
    pty.wait().ok();
}

fn the_status_is_the_shells(way: Way) {
    let ssh = Ssh::start(way);
    for (line, status) in [
        ("exit 7", 7),
        ("exec false", 1),
        ("exec sh -c 'exit 77'", 77),
    ] {
        let mut pty = ssh.login();
        pty.send(&format!("{line}\n"));
        pty.wait().exits(status);
    }
    // What has no status at all is 255 to ssh.
    for signal in ["KILL", "TERM", "HUP"] {
        let mut pty = ssh.login();
        pty.send(&format!("exec bash -c 'kill -{signal} $$'\n"));
        pty.wait().exits(255);
    }
    ssh.lands();
}

fn a_command_on_a_terminal(way: Way) {
    let ssh = Ssh::start(way);
    let said = ssh
        .terminal(&[
            "-tt",
            "there",
            "tty; echo [$CADDIS_ENV]; shopt login_shell; exit 9",
        ])
        .wait()
        .exits(9);
    assert!(
        said.stdout.starts_with(&format!(
            "/dev/pts/1\r\n[{}]\r\nlogin_shell    \toff\r\n",
            way.environment()
        )),
        "{said}"
    );
    // Ctrl-C ends the command, and so the session.
    let mut pty = ssh.terminal(&["-tt", "there", "echo up; exec sleep infinity"]);
    pty.expect("up\r\n");
    in_foreground(&ssh.host, "sleep");
    pty.send("\x03");
    pty.wait().exits(255);
    // Without a terminal the shell reads its commands from the pipe, and shows no prompt.
    let fed = ssh
        .ssh(&["-T", "there"])
        .stdin("tty; shopt login_shell; exit 6\n")
        .run()
        .exits(6);
    assert!(
        fed.stdout.ends_with("not a tty\nlogin_shell    \ton\n"),
        "{fed}"
    );
}

fn what_is_shown_at_login(way: Way) {
    let ssh = Ssh::start(way);
    ssh.host.write("/etc/motd", "Backups run at noon.\n", 0o644);
    let shown = |arguments: &[&str]| {
        let mut pty = ssh.terminal(arguments);
        pty.send("exit\n");
        pty.wait().ok().stdout
    };
    let first = shown(&["-tt", "there"]);
    assert_eq!(first.matches("Backups run at noon.").count(), 1, "{first}");
    // What /etc/update-motd.d makes.
    assert_eq!(first.matches("Linux host ").count(), 1, "{first}");
    assert_eq!(first.matches("Last login: ").count(), 0, "{first}");
    let second = shown(&["-tt", "there"]);
    assert_eq!(
        second.matches("Backups run at noon.").count(),
        1,
        "{second}"
    );
    // sshd keeps it to itself where it forces a command.
    let last = usize::from(way != Way::ForceCommand);
    assert_eq!(second.matches("Last login: ").count(), last, "{second}");
    // A command is shown nothing.
    let command = ssh.run("echo only this").ok();
    assert_eq!(
        (command.stdout.as_str(), command.stderr.as_str()),
        ("only this\n", "")
    );
    ssh.host.sh("alice", "touch .hushlogin").ok();
    let hushed = shown(&["-tt", "there"]);
    assert!(
        !hushed.contains("Backups") && !hushed.contains("Last login"),
        "{hushed}"
    );
    ssh.lands();
}

fn a_dropped_connection_hangs_up(way: Way) {
    let ssh = Ssh::start(way);
    let mut pty = ssh.login();
    pty.send("trap 'touch hung-up' EXIT; sleep infinity\n");
    in_foreground(&ssh.host, "sleep");
    pty.child().kill(Signal::KILL);
    pty.wait().exits(137);
    eventually("the shell has heard of it", || {
        ssh.host.exists("/home/alice/hung-up") && ssh.host.count("^sleep infinity") == 0
    });
    eventually("sshd has ended the session", || {
        ssh.host.count("^sshd: alice") == 0
    });
    ssh.lands();
}

//! Environments on a terminal: shells, job control, window size, and the terminal given back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Pty, eventually};
use caddis_tests::{State, commands_are_told_of_the_size, in_foreground, stopped_and_continued};

/// A shell of the host on a terminal, as a person has it who then types `caddis`.
fn outer(host: &Host, user: &str) -> Pty {
    let mut pty = host
        .command(user, &["bash", "--norc", "--noprofile", "-i"])
        .env("PS1", "outer$ ")
        .env("TERM", "dumb")
        .pty();
    pty.expect("outer$ ");
    pty
}

/// A session that is the first process of its terminal, as after a login.
fn enter(host: &Host, words: &[&str]) -> Pty {
    host.command("alice", words).env("TERM", "dumb").pty()
}

/// Types a line and returns what is shown until the outer shell's next prompt.
fn ask(pty: &mut Pty, line: &str) -> String {
    pty.send(&format!("{line}\n"));
    pty.expect(&format!("{line}\r\n"));
    let shown = pty.expect("outer$ ");
    shown.trim_end_matches("outer$ ").replace('\r', "")
}

#[test]
fn a_login_shell_shows_its_environment_and_has_the_terminal() {
    let host = Host::start().unwrap();
    let mut pty = enter(&host, &["caddis", "enter"]);
    pty.expect("(default)alice@host:~$ ");
    pty.send("tty; stty size; echo $CADDIS_ENV; shopt -q login_shell && echo login\n");
    pty.expect("/dev/pts/0\r\n24 80\r\ndefault\r\nlogin\r\n");
    pty.resize(50, 132);
    pty.send("stty size\n");
    pty.expect("50 132");
    commands_are_told_of_the_size(&mut pty);
    stopped_and_continued(&host, &mut pty);
    pty.send("echo status $?\n");
    pty.expect("status 130");
    pty.send("caddis root\n");
    pty.expect("(default)root@host:");
    pty.send("id -u; exit\n");
    pty.expect("\r\n0\r\n");
    pty.send("exit 5\n");
    pty.wait().exits(5);

    let mut pty = enter(&host, &["caddis", "enter", "project"]);
    pty.expect("(project)alice@host:~$ ");
    pty.send("exit\n");
    pty.wait().ok();
}

#[test]
fn keys_that_send_signals_reach_the_command() {
    let host = Host::start().unwrap();
    let mut pty = outer(&host, "alice");
    pty.send("ulimit -c 0; caddis run sleep infinity\n");
    in_foreground(&host, "sleep");
    pty.send("\x03");
    pty.expect("outer$ ");
    assert_eq!(ask(&mut pty, "echo $?"), "130\n");
    pty.send("caddis run sleep infinity\n");
    in_foreground(&host, "sleep");
    pty.send("\x1c");
    pty.expect("outer$ ");
    assert_eq!(ask(&mut pty, "echo $?"), "131\n");
    // Only once: a command that counts is told of one Ctrl-C, not of two.
    pty.send("caddis run python3 -c 'import signal; signal.pthread_sigmask(0, [2, 40]); print(\"up\"); \
              print(signal.sigwait([2, 40]), flush=True); signal.raise_signal(40); print(int(signal.sigwait([2, 40])))'\n");
    pty.expect("up\r\n");
    pty.send("\x03");
    pty.expect("40\r\nouter$ ");
    // End of file.
    pty.send("caddis run cat\n");
    in_foreground(&host, "cat");
    pty.send("text\n\x04");
    pty.expect("text\r\ntext\r\nouter$ ");
    pty.send("exit\n");
    pty.wait().ok();
}

#[test]
fn a_session_is_a_job_of_the_shell_outside() {
    let host = Host::start().unwrap();
    let mut pty = outer(&host, "alice");
    pty.send("caddis run cat\n");
    in_foreground(&host, "cat");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("outer$ ");
    assert!(ask(&mut pty, "jobs").contains("Stopped"));
    for _ in 0..3 {
        pty.send("fg\n");
        in_foreground(&host, "cat");
        pty.send("hello\n");
        pty.expect("hello\r\nhello\r\n");
        pty.send("\x1a");
        pty.expect("outer$ ");
    }
    pty.send("fg\n");
    in_foreground(&host, "cat");
    pty.send("\x04");
    pty.expect("outer$ ");
    assert_eq!(ask(&mut pty, "echo $?"), "0\n");
    // Begun in the background, then wanted.
    pty.send("caddis run bash -c 'echo ready; read -r line; echo got $line; exit 9' &\n");
    pty.expect("ready\r\n");
    // First the command, then the session as a job of the outer shell.
    eventually("it has been stopped for reading", || {
        let states = host.sh("root", "ps -eo stat=").ok();
        let stopped = |line: &&str| line.starts_with('T');
        states.stdout.lines().filter(stopped).count() == 2
    });
    pty.send("fg\n");
    pty.expect("'\r\n");
    pty.send("words\n");
    pty.expect("got words");
    pty.expect("outer$ ");
    assert_eq!(ask(&mut pty, "echo $?"), "9\n");
    pty.send("exit\n");
    pty.wait().ok();
}

#[test]
fn the_outer_shell_gets_its_terminal_back_as_it_was() {
    let host = Host::start().unwrap();
    let mut pty = outer(&host, "alice");
    let before = ask(&mut pty, "stty -a");
    for end in ["exit\n", "exec sleep 0\n", "kill -9 $$\n", "\x04"] {
        pty.send("PS1='in''ner> ' caddis run bash --norc -i\n");
        pty.expect("inner> ");
        pty.send("true\n");
        pty.expect("inner> ");
        pty.send(end);
        pty.expect("outer$ ");
        assert_eq!(ask(&mut pty, "stty -a"), before, "after {end:?}");
        // The shell is in the foreground: it reads, and its jobs may.
        assert!(
            ask(&mut pty, "sh -c 'ps -o stat= -p $$'").contains('+'),
            "after {end:?}"
        );
    }
    // A shell inside that stops itself gives the terminal back as well, and takes it again.
    pty.send("PS1='in''ner> ' caddis run bash --norc -i\n");
    pty.expect("inner> ");
    pty.send("suspend -f\n");
    pty.expect("outer$ ");
    assert_eq!(ask(&mut pty, "stty -a"), before);
    pty.send("fg\n");
    pty.expect("inner>");
    pty.send("echo in $CADDIS_ENV\n");
    pty.expect("in default\r\n");
    pty.send("exit 3\n");
    pty.expect("outer$ ");
    assert_eq!(ask(&mut pty, "echo $?"), "3\n");
    pty.send("exit\n");
    pty.wait().ok();
}

#[test]
fn closing_the_window_ends_the_session_and_what_it_started() {
    let host = Host::start().unwrap();
    let mut pty = enter(&host, &["caddis", "enter"]);
    pty.expect("$ ");
    pty.send("bash -c 'trap \"\" HUP; exec -a lab-deaf sleep infinity' &\n");
    eventually("it runs", || host.count("^lab-deaf") == 1);
    // The shell hears of it by the signal that is passed on to it, or by the end of its input.
    let ended = pty.hang_up();
    assert!([0, 129].contains(&ended.code()), "{ended}");
    eventually("nothing is left", || host.count("^lab-deaf") == 0);
    eventually("nothing is listed", || {
        host.sh("alice", "caddis ps --json").ok().text() == "[]"
    });
    // The same with a shell of the host between them.
    let mut pty = outer(&host, "alice");
    pty.send("caddis run sleep infinity\n");
    in_foreground(&host, "sleep");
    pty.hang_up();
    eventually("nothing is left", || host.count("^sleep infinity") == 0);
}

#[test]
fn what_root_runs_for_a_user_has_a_terminal_of_its_own() {
    let host = Host::start().unwrap();
    let mut pty = outer(&host, "root");
    let before = ask(&mut pty, "stty -a");
    ask(&mut pty, "cd /");
    let own = ask(&mut pty, "tty");
    pty.send("caddis run --user alice bash --norc -i\n");
    pty.expect("$ ");
    pty.send("PS1='in''ner> '\n");
    pty.expect("inner> ");
    pty.send("id -un; tty; stty size; readlink /proc/self/fd/0\n");
    let said = pty.expect("inner> ").replace('\r', "");
    assert!(
        said.contains("alice\n/dev/pts/") && said.contains("\n24 80\n"),
        "{said}"
    );
    assert!(!said.contains(own.trim()), "{said}");
    pty.resize(33, 99);
    pty.send("until [ \"$(stty size)\" = '33 99' ]; do :; done; echo resized\n");
    pty.expect("\nresized\r\n");
    stopped_and_continued(&host, &mut pty);
    pty.send("echo status $?\n");
    pty.expect("status 130");
    pty.send("exit 7\n");
    pty.expect("outer$ ");
    assert_eq!(ask(&mut pty, "echo $?"), "7\n");
    pty.resize(24, 80);
    assert_eq!(ask(&mut pty, "stty -a"), before);
    // Streams that are no terminal stay what they are.
    assert_eq!(
        ask(
            &mut pty,
            "echo piped | caddis run --user alice cat | tr a-z A-Z"
        ),
        "PIPED\n"
    );
    assert_eq!(
        ask(
            &mut pty,
            "caddis run --user alice sh -c 'echo out; exit 4' > f; echo $?; cat f"
        ),
        "4\nout\n"
    );
    pty.send("caddis run --user alice sleep infinity\n");
    in_foreground(&host, "sleep");
    pty.hang_up();
    eventually("nothing is left", || host.count("^sleep infinity") == 0);
}

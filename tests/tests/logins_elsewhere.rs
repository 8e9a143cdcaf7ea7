//! Logins that are not sshd's: su, sudo -i, runuser, cron. caddis-login is alice's shell, or cron's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Pty};
use caddis_tests::{Environments, State, Way, stopped_and_continued};

/// What each test expects without Caddis as well, and with it as alice's shell.
const WAYS: [Way; 2] = [Way::Plain, Way::Shell];

fn host(way: Way) -> Host {
    let host = Host::start().unwrap();
    if way == Way::Shell {
        host.sh("root", "usermod -s /usr/local/bin/caddis-login alice")
            .ok();
    }
    host
}

fn terminal(host: &Host, user: &str, words: &[&str]) -> Pty {
    host.command(user, words).env("TERM", "dumb").pty()
}

#[test]
fn su_leads_into_the_environment() {
    for way in WAYS {
        let host = host(way);
        let environment = way.environment();
        let ask = "echo \"[$CADDIS_ENV] $0 $* $PWD $HOME $USER $LOGNAME $SHELL\"; shopt login_shell; exit 6";
        // Root's, with and without a login, with arguments of the shell's.
        let login = host.run("root", &["su", "-", "alice", "-c", ask]).exits(6);
        assert_eq!(
            login.stdout,
            format!(
                "[{environment}] -bash  /home/alice /home/alice alice alice /bin/bash\nlogin_shell    \ton\n"
            ),
            "{way:?}"
        );
        let plain = host
            .command("root", &["su", "alice", "-c", ask])
            .cwd("/usr");
        assert_eq!(
            plain.run().exits(6).stdout,
            format!(
                "[{environment}] bash  /usr /home/alice alice alice /bin/bash\nlogin_shell    \toff\n"
            ),
            "{way:?}"
        );
        let words = [
            "su",
            "alice",
            "--",
            "-c",
            "printf '%s|' \"$@\"",
            "name",
            "a  b",
            "c\nd",
            "",
        ];
        assert_eq!(
            host.run("root", &words).ok().stdout,
            "a  b|c\nd||",
            "{way:?}"
        );
        let runuser = ["runuser", "-l", "alice", "-c", "echo \"[$CADDIS_ENV]\""];
        assert_eq!(
            host.run("root", &runuser).ok().text(),
            format!("[{environment}]")
        );
        // Whoever names another shell gets that one, and the host.
        let other = [
            "su",
            "-s",
            "/bin/bash",
            "alice",
            "-c",
            "echo \"[$CADDIS_ENV]\"",
        ];
        assert_eq!(host.run("root", &other).ok().text(), "[]", "{way:?}");
        // Standard streams, the status of a signal, a script on standard input.
        let cat = host
            .command("root", &["su", "-", "alice", "-c", "cat; kill -TERM $$"])
            .stdin("text")
            .run();
        assert_eq!((cat.code(), cat.stdout.as_str()), (143, "text"), "{way:?}");
        let script = host
            .command("root", &["su", "-", "alice"])
            .stdin("echo \"[$CADDIS_ENV]\"; exit 4")
            .run()
            .exits(4);
        assert!(
            script.stdout.ends_with(&format!("[{environment}]\n")),
            "{script}"
        );
    }
}

#[test]
fn a_person_who_becomes_alice_has_the_terminal() {
    for way in WAYS {
        let host = host(way);
        // bob knows alice's password.
        let mut pty = terminal(&host, "bob", &["su", "-", "alice"]);
        pty.expect("Password: ");
        pty.send("alice\n");
        pty.expect("alice@host:~$ ");
        pty.send("echo in[$CADDIS_ENV] $((1 + 1)); tty; shopt login_shell\n");
        pty.expect(&format!(
            "in[{}] 2\r\n/dev/pts/0\r\nlogin_shell    \ton\r\n",
            way.environment()
        ));
        stopped_and_continued(&host, &mut pty);
        pty.expect("alice@host:~$ ");
        pty.send("exit 5\n");
        pty.wait().exits(5);
        let mut pty = terminal(&host, "root", &["sudo", "-u", "alice", "-i"]);
        pty.expect("alice@host:~$ ");
        pty.send("echo in[$CADDIS_ENV] $((1 + 1)); exit 3\n");
        pty.expect(&format!("in[{}] 2\r\n", way.environment()));
        pty.wait().exits(3);
    }
}

#[test]
fn sudo_escapes_what_it_passes_to_a_login_shell() {
    for way in WAYS {
        let host = host(way);
        let ask = |command: &[&str]| {
            let words = [&["sudo", "-u", "alice", "-i"], command].concat();
            host.run("root", &words).ok().stdout
        };
        assert_eq!(
            ask(&["printf", "%s|", "a  b", "$HOME", "c'd\"", "é", ";"]),
            "a  b|/home/alice|c'd\"|é|;|",
            "{way:?}"
        );
        // sudo leaves variables' names to the shell.
        assert_eq!(
            ask(&["echo", "[$CADDIS_ENV]"]),
            format!("[{}]\n", way.environment())
        );
    }
}

#[test]
fn a_cron_job_runs_where_its_crontab_says() {
    for (shell, environment) in [("/bin/sh", ""), ("/usr/local/bin/caddis-login", "default")] {
        let host = Host::start().unwrap();
        // cron runs these when it starts. What they say comes by way of FIFOs, so that the test hears of it.
        host.sh("alice", "mkfifo first second").ok();
        let table = format!(
            "SHELL={shell}\nLAB_WORD=a b\n\
             @reboot echo \"[$CADDIS_ENV] $LAB_WORD $HOME $LOGNAME $PWD $(id -un)\" > first\n\
             @reboot cat > copy; test -t 0 || echo \"no terminal\" > second\n"
        );
        host.command("alice", &["crontab", "-"])
            .stdin(&table)
            .run()
            .ok();
        let mut heard: Vec<_> = ["first", "second"]
            .map(|name| host.spawn("alice", &format!("cat {name}")))
            .into();
        host.start_cron();
        assert_eq!(
            heard[0].line(),
            format!("[{environment}] a b /home/alice alice /home/alice alice"),
            "{shell}"
        );
        assert_eq!(heard[1].line(), "no terminal", "{shell}");
    }
}

#[test]
fn a_cron_job_finds_the_environment_that_a_login_left_and_leaves_it() {
    let host = Host::start().unwrap();
    host.inside("alice", "echo words > /var/tmp/kept").ok();
    host.sh("alice", "mkfifo done").ok();
    let mut session = host.session("alice", "echo up; sleep infinity");
    assert_eq!(session.line(), "up");
    // A percent sign is the end of the line, and what follows standard input.
    let table = "SHELL=/usr/local/bin/caddis-login\n\
                 @reboot cat /var/tmp/kept - > done; sleep infinity & %typed\n";
    host.command("alice", &["crontab", "-"])
        .stdin(table)
        .run()
        .ok();
    let mut heard = host.spawn("alice", "cat done");
    host.start_cron();
    assert_eq!(heard.line(), "words");
    assert_eq!(heard.line(), "typed");
    heard.wait().ok();
    host.comes_to("^sleep infinity", 2);
    session.kill(caddis_lab::Signal::TERM);
    session.wait().exits(143);
}

//! `caddis try`: a command in a throw-away copy of an environment, whose changes are kept or discarded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, Output, Pty, eventually};
use caddis_tests::{Environments, NothingLeft, State, Told, interrupted_try};

/// `caddis try` with these words as alice.
fn attempt(host: &Host, words: &[&str]) -> Output {
    host.caddis("alice", &[&["try"], words].concat()).run()
}

#[test]
fn what_a_try_changes_is_kept_or_discarded() {
    let host = Host::start().unwrap();
    let mounts = host.mounts();
    host.inside_root(
        "alice",
        "echo mine > /etc/motd; mkdir /opt/d; echo 1 > /opt/d/f",
    )
    .ok();
    let script = "cat /etc/motd; echo tried > /etc/motd; rm /opt/d/f; echo 2 > /opt/d/g; exit $1";
    let run = |word: &str, status: &str| {
        attempt(&host, &["--root", word, "bash", "-c", script, "sh", status])
    };
    let seen = || host.inside("alice", "cat /etc/motd; ls /opt/d").ok().stdout;
    let discarded = run("--discard", "0").ok();
    assert_eq!(discarded.stdout, "mine\n");
    assert_eq!(discarded.stderr, "M  /etc/motd\nD  /opt/d/f\nA  /opt/d/g\n");
    assert_eq!(seen(), "mine\nf\n");
    // All or nothing.
    assert_eq!(run("--keep", "7").exits(7).stdout, "mine\n");
    assert_eq!(seen(), "mine\nf\n");
    assert_eq!(run("--keep", "0").ok().stdout, "mine\n");
    assert_eq!(seen(), "tried\ng\n");
    host.has_nothing_left(&mounts);
    let left = host
        .sh(
            "root",
            "ls -A /var/lib/caddis/env/1000 /var/lib/caddis/env/1000/default",
        )
        .ok();
    assert!(
        !left.stdout.contains("try") && !left.stdout.contains("keep"),
        "{left}"
    );
}

/// Alice's terminal, with a try on it that has ended.
fn asked(host: &Host, script: &str) -> Pty {
    let words = ["caddis", "try", "--root", "bash", "-c", script];
    let command = host
        .command("alice", &words)
        .env("TERM", "dumb")
        .env("CADDIS_PAGER", "cat");
    let mut pty = command.pty();
    pty.expect(QUESTION);
    pty
}

const QUESTION: &str = "Keep these changes? [k]eep, [d]iscard, [l]ook, [s]hell:";

#[test]
fn the_question_takes_a_clear_answer_and_a_look_at_the_changes() {
    let host = Host::start().unwrap();
    let seen = || host.inside("alice", "ls /opt").ok().stdout;
    let mut pty = asked(&host, "for i in {10..40}; do echo > /opt/$i; done; exit 3");
    for unclear in ["", "y", "yes please"] {
        pty.send(&format!("{unclear}\n"));
        pty.expect(QUESTION);
    }
    pty.send("l\n");
    let all = pty.expect(QUESTION);
    assert!(
        all.contains("+++ b/opt/10\r\n") && all.contains("+++ b/opt/40\r\n"),
        "{all}"
    );
    // A shell in it, as who the command was.
    pty.send("s\n");
    pty.expect("# ");
    pty.send("id -u; rm /opt/??; touch /opt/by-hand; exit\n");
    let shown = pty.expect(QUESTION);
    assert!(
        shown.contains("\r\n0\r\n") && shown.contains("A  /opt/by-hand\r\n"),
        "{shown}"
    );
    pty.send("k\n");
    let end = pty.wait().exits(3);
    assert_eq!(
        seen(),
        "by-hand\n",
        "{end} {}",
        host.sh("root", "ls -lR /var/lib/caddis/env/1000")
    );
    let mut pty = asked(&host, "touch /opt/second");
    pty.send("discard\n");
    pty.wait().ok();
    assert_eq!(seen(), "by-hand\n");
    // A directory's own attributes are something.
    let mut pty = asked(&host, "chmod 700 /usr/share");
    pty.send("d\n");
    assert!(pty.wait().ok().stdout.contains("d\r\n"));
    // Where there is nothing to ask about, nobody is asked.
    let words = ["caddis", "try", "true"];
    let pty = host.command("alice", &words).pty();
    assert!(!pty.wait().ok().stdout.contains("Keep"));
}

#[test]
fn without_a_terminal_or_a_word_nothing_runs() {
    let host = Host::start().unwrap();
    let refused = attempt(&host, &["touch", "/tmp/ran"]).told();
    refused
        .says("there is no terminal to ask on")
        .says("--discard discards them");
    assert!(!host.exists("/var/lib/caddis/env/1000"));
    attempt(&host, &["--keep", "--discard", "true"]).exits(125);
    attempt(&host, &["--keep", "/nowhere/such"]).exits(127);
    attempt(&host, &["--keep", "/etc/passwd"]).exits(126);
    attempt(&host, &["--keep", "sh", "-c", "kill -9 $$"]).exits(137);
    attempt(&host, &["--keep", "-e", "a/b", "true"]).exits(125);
    let nothing = attempt(&host, &["--keep"]).told();
    nothing.says("there is none that waits for a word");
    host.inside("alice", "caddis try --keep true")
        .told()
        .says("this is inside an environment");
    let own = host.sh("root", "caddis try --keep true").exits(125);
    own.says("root has no environment of its own");
}

#[test]
fn an_interrupted_try_can_still_be_kept_until_the_environment_is_used() {
    let host = Host::start().unwrap();
    let seen = || host.inside("alice", "ls /opt").ok();
    for (number, end) in ["\u{4}", "\u{3}", "hang up", "kill"]
        .into_iter()
        .enumerate()
    {
        for keep in [true, false] {
            let name = format!("{number}{keep}");
            let mut pty = asked(&host, &format!("touch /opt/{name}"));
            // Somebody else's word is not asked for meanwhile.
            attempt(&host, &["--keep"])
                .told()
                .says("a try of it goes on (process ");
            match end {
                "hang up" => drop(pty.hang_up()),
                "kill" => {
                    host.sh("root", "pkill -9 -x caddis").ok();
                    pty.wait().exits(137);
                }
                keys => {
                    pty.send(keys);
                    pty.wait();
                }
            }
            eventually("it is gone", || host.count("^caddis try") == 0);
            if keep {
                attempt(&host, &["--keep"]).ok();
                assert!(seen().stdout.contains(&name), "{end:?}");
            } else {
                let run = seen();
                assert!(!run.stdout.contains(&name), "{end:?}");
                assert_eq!(
                    run.stderr,
                    "caddis: a try of \"default\" that nobody has kept is discarded\n"
                );
            }
            assert_eq!(seen().stderr, "");
        }
    }
}

#[test]
fn while_a_try_goes_on_its_environment_stays_as_it_is() {
    let host = Host::start().unwrap();
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    let words = [
        "try",
        "--root",
        "--keep",
        "bash",
        "-c",
        "echo tried > /etc/motd; echo; read end",
    ];
    let mut running = Some(host.caddis("alice", &words).spawn());
    running.as_mut().unwrap().line();
    let mut pty = None;
    for phase in ["running", "asking"] {
        for words in [
            &["run", "true"][..],
            &["root", "true"],
            &["try", "--keep", "true"],
            &["try", "--discard"],
            &["remove", "--yes", "default"],
        ] {
            let refused = host.caddis("alice", words).run().told();
            let because = [
                "a try of it goes on (process ",
                "sessions are running in it",
            ];
            assert!(
                because.iter().any(|text| refused.stderr.contains(text)),
                "{phase}: {refused}"
            );
        }
        // Others are not concerned, and root does not wait.
        host.caddis("alice", &["run", "-e", "other", "true"])
            .run()
            .ok();
        host.sh("root", "caddis admin list; caddis admin refresh")
            .ok();
        host.sh("root", "caddis run --user alice true").told();
        if let Some(mut running) = running.take() {
            // It is seen as what the environment runs.
            assert!(
                host.caddis("alice", &["ps"])
                    .run()
                    .ok()
                    .stdout
                    .contains("read end")
            );
            running.send("\n");
            running.wait().ok();
            assert_eq!(host.inside("alice", "cat /etc/motd").ok().text(), "tried");
            pty = Some(asked(&host, "echo again > /etc/motd"));
        }
    }
    // What is removed by force takes the try along, and its question then comes to nothing.
    host.caddis("alice", &["remove", "--yes", "--force", "default"])
        .run()
        .ok();
    let mut pty = pty.unwrap();
    pty.send("k\n");
    pty.wait();
    assert!(
        !host
            .inside("alice", "cat /etc/motd")
            .ok()
            .stdout
            .contains("again")
    );
    // A stop ends what runs in a try; then it is asked about.
    let words = [
        "try",
        "--root",
        "--keep",
        "bash",
        "-c",
        "echo; exec sleep infinity",
    ];
    let mut running = host.caddis("alice", &words).spawn();
    running.line();
    host.caddis("alice", &["stop"]).run().ok();
    running.wait().exits(143);
    // Nothing goes on running once the command has ended.
    attempt(&host, &["--keep", "bash", "-c", "setsid -f sleep infinity"]).ok();
    assert_eq!(host.count("sleep infinity"), 0);
}

#[test]
fn a_package_upgrade_is_tried_then_kept() {
    let host = Host::start().unwrap();
    let version = || {
        host.inside("alice", "dpkg-query -W lab-tool")
            .ok()
            .text()
            .to_owned()
    };
    let before = version();
    let upgrade = "apt-get install -y -qq lab-tool > /dev/null && dpkg-query -W lab-tool";
    let discarded = attempt(&host, &["--root", "--discard", "bash", "-c", upgrade]).ok();
    assert!(discarded.text().ends_with("2.0"), "{discarded}");
    assert!(
        discarded.stderr.contains("M  /usr/bin/lab-tool\n"),
        "{discarded}"
    );
    assert_eq!(version(), before);
    attempt(&host, &["--root", "--keep", "bash", "-c", upgrade]).ok();
    assert!(version().ends_with("2.0"));
    host.inside_root(
        "alice",
        "dpkg --audit && apt-get check -qq && dpkg -V lab-tool",
    )
    .ok();
    assert!(
        host.sh("root", "dpkg-query -W lab-tool")
            .ok()
            .text()
            .ends_with("1.0")
    );
}

#[test]
fn nothing_is_copied_to_start_a_try() {
    let host = Host::start().unwrap();
    // Files and bytes of the environment's directory and its try's.
    let count = || {
        let script = "cd /var/lib/caddis/env/1000/default; find . | wc -l; find try | wc -l; du -s try | cut -f1";
        let text = host.sh("root", script).ok();
        text.stdout
            .lines()
            .map(|line| line.parse().unwrap())
            .collect::<Vec<u64>>()
    };
    let mut former = None;
    for fill in [
        "true",
        "mkdir /opt/d; for i in {1..2000}; do head -c 20000 /dev/zero > /opt/d/$i; done",
    ] {
        host.inside_root("alice", fill).ok();
        interrupted_try(&host, "true");
        let [all, files, kibibytes] = count()[..] else {
            panic!()
        };
        assert!(files < 10 && kibibytes < 64, "{files} {kibibytes}");
        assert_eq!(
            *former.get_or_insert((files, kibibytes)),
            (files, kibibytes)
        );
        assert_eq!(all > 2000, fill != "true");
    }
}

#[test]
fn a_full_disk_leaves_a_try_to_be_kept_later() {
    let builder = Host::builder().disk("/data", FileSystem::Ext4, "40M");
    let host = builder.start().unwrap();
    host.policy("[storage]\nstate = \"/data/caddis\"\n");
    host.sh("root", "caddis admin refresh").ok();
    host.inside_root("alice", "mkdir -p /opt/d/{1..300}; echo mine > /etc/motd")
        .ok();
    interrupted_try(&host, "echo tried > /etc/motd; touch /opt/d/1/f");
    host.sh("root", "head -c 100M /dev/zero > /data/fill; true");
    let full = attempt(&host, &["--keep"]).exits(125);
    full.says("No space left on device")
        .says("\n  hint: nothing is lost");
    host.sh("root", "rm /data/fill").ok();
    assert_eq!(
        host.sh("root", "ls -A -I .account /data/caddis/env/1000")
            .ok()
            .text(),
        "default"
    );
    attempt(&host, &["--keep"]).ok();
    assert_eq!(
        host.inside("alice", "cat /etc/motd; ls /opt/d/1")
            .ok()
            .stdout,
        "tried\nf\n"
    );
}

#[test]
fn a_try_stops_goes_on_and_ends_as_its_command_does() {
    let host = Host::start().unwrap();
    let shell = ["bash", "--norc", "--noprofile", "-i"];
    let command = host.command("alice", &shell).env("PS1", "outer$ ");
    let mut pty = command.pty();
    pty.expect("outer$ ");
    pty.send("caddis try --root bash -c 'touch /opt/f; echo up; sleep infinity; exit 4'\n");
    pty.expect("up\r\n");
    for stop in ["\u{1a}", ""] {
        if stop.is_empty() {
            // Of itself, without the terminal's doing.
            host.sh("root", "pkill -STOP -f '^bash -c touch'").ok();
        }
        pty.send(stop);
        pty.expect("Stopped");
        pty.expect("outer$ ");
        pty.send("fg\n");
        pty.expect("exit 4'\r\n");
        eventually("it goes on", || {
            let state = host.sh("root", "ps -o stat= -p $(pgrep -f '^bash -c touch')");
            state.text().starts_with('S')
        });
    }
    host.sh("root", "pkill -x sleep").ok();
    pty.expect(QUESTION);
    pty.send("k\n");
    pty.expect("outer$ ");
    pty.send("echo $?; exit\n");
    pty.expect("4\r\n");
    pty.wait().ok();
    assert_eq!(host.inside("alice", "ls /opt").ok().text(), "f");
    // A signal for `caddis` is one for the command.
    let script = "trap \"echo told; exit 9\" TERM; echo; while :; do read -rt 1000; done";
    let words = ["try", "--discard", "bash", "-c", script];
    let mut running = host.caddis("alice", &words).spawn();
    running.line();
    host.sh("root", "pkill -TERM -x caddis").ok();
    assert_eq!(running.wait().exits(9).stdout, "\ntold\n");
}

/// What a file of the base was when it was customised does not change by another mode for the user's copy.
#[test]
fn a_kept_copy_of_a_copy_is_as_old_as_the_copy() {
    let host = Host::start().unwrap();
    let of = |file: &str, script: &str| {
        let path = format!("/var/lib/caddis/env/1000/default/@/etc/{file}");
        host.sh("root", &format!("{script} {path}"))
            .text()
            .to_owned()
    };
    let taken = "getfattr --only-values --absolute-names -n trusted.caddis.taken";
    host.inside_root(
        "alice",
        "for file in motd issue; do echo mine > /etc/$file; done",
    )
    .ok();
    let born = of("motd", "stat -c %.9W").replace('.', "");
    let change = "chmod 600 /etc/motd; echo new > /etc/new; mv /etc/new /etc/issue";
    for _ in 0..2 {
        attempt(&host, &["--root", "--keep", "bash", "-c", change]).ok();
        assert_eq!(of("motd", taken), born);
        // This is not a copy any more.
        assert_eq!(of("issue", taken), "");
    }
}

//! What the administrator does: look after everybody's environments, run for users, check, refresh, read the log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Output};
use caddis_tests::{Environments, State};

fn root(host: &Host, line: &str) -> Output {
    host.sh("root", &format!("caddis {line}"))
}

/// What a Python expression makes of the JSON (`j`) that `caddis LINE --json` prints for root.
fn json(host: &Host, line: &str, expression: &str) -> String {
    let python = "import json, os, sys; j = json.load(sys.stdin); print(eval(os.environ['ASK']))";
    let script = format!("caddis {line} --json | python3 -c \"{python}\"");
    let command = host.command("root", &["bash", "-c", &script]);
    command.env("ASK", expression).run().ok().text().to_owned()
}

#[test]
fn everybodys_environments_are_listed_shown_and_stopped() {
    let host = Host::start().unwrap();
    assert_eq!(json(&host, "admin list", "j"), "[]");
    let mut alice = host.session("alice", "exec cat");
    let mut bob = host.session("bob", "exec cat");
    for session in [&mut alice, &mut bob] {
        // Said by cat itself: by then it is what runs.
        session.send("in\n");
        assert_eq!(session.line(), "in");
    }
    host.sh("alice", "caddis new second").ok();
    let rows = "[(e['user'], e['uid'], e['name'], e['state']) for e in j]";
    let of_alice = "('alice', 1000, 'default', 'running'), ('alice', 1000, 'second', 'stopped')";
    assert_eq!(
        json(&host, "admin list", rows),
        format!("[{of_alice}, ('bob', 1001, 'default', 'running')]")
    );
    assert_eq!(
        json(&host, "admin list --user alice", rows),
        format!("[{of_alice}]")
    );
    assert!(root(&host, "admin list").ok().stdout.starts_with("USER"));
    assert_eq!(
        json(&host, "admin ps", "[(p['uid'], p['command']) for p in j]"),
        "[(1000, 'cat'), (1001, 'cat')]"
    );
    assert_eq!(
        json(&host, "admin ps --user bob", "[p['uid'] for p in j]"),
        "[1001]"
    );
    assert!(root(&host, "admin ps").ok().stdout.contains("HOST PID"));
    for line in [
        "admin list",
        "admin ps",
        "admin stop --all",
        "admin stop --user alice",
        "admin refresh",
    ] {
        host.sh("alice", &format!("caddis {line}"))
            .exits(125)
            .says("only root may do that");
    }
    // Nor by way of the helper.
    for line in [
        "list --all",
        "stop --all",
        "ps --for 1001:1001",
        "remove default --for 1001:1001",
    ] {
        let direct = host.sh(
            "alice",
            &format!("/usr/local/libexec/caddis/caddis-helper {line}"),
        );
        direct.exits(125).says("only root may do so");
    }
    assert!(!alice.has_ended() && !bob.has_ended());
    root(&host, "admin stop").exits(2);
    root(&host, "admin stop --user nobody-there")
        .exits(125)
        .says("there is no such user");
    root(&host, "admin stop --user alice second").ok();
    assert!(!alice.has_ended());
    root(&host, "admin stop --user alice").ok();
    alice.wait().exits(143);
    assert!(!bob.has_ended());
    root(&host, "admin stop --all").ok();
    bob.wait().exits(143);
    assert_eq!(host.count("caddis-init"), 0);
}

#[test]
fn root_runs_commands_for_a_user_as_services_and_cron_do() {
    let host = Host::start().unwrap();
    let secret = host.command(
        "root",
        &[
            "caddis",
            "run",
            "--user",
            "alice",
            "bash",
            "-c",
            "id; pwd; env | sort; umask",
        ],
    );
    let output = secret
        .env("SECRET", "of root")
        .env("LC_TIME", "C")
        .env("XDG_RUNTIME_DIR", "/run/user/0")
        .cwd("/")
        .run()
        .ok();
    let expected = "uid=1000(alice) gid=1000(alice) groups=1000(alice),2000(proj)\n/\nCADDIS_ENV=default\nHOME=/home/alice\n\
                    LANG=C.UTF-8\nLC_TIME=C\nLOGNAME=alice\nPATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games\n\
                    PWD=/\nSHELL=/bin/bash\nSHLVL=1\nUSER=alice\n_=/usr/bin/env\ndebian_chroot=default\n0022\n";
    assert_eq!(output.stdout, expected);
    let run = |line: &str| root(&host, &format!("run --user alice {line}"));
    assert_eq!(
        run("sh -c 'cat ~/private.txt; exit 3'").exits(3).stdout,
        "alice's own words\n"
    );
    run("no-such-command").exits(127);
    run("sh -c 'kill -9 $$'").exits(137);
    assert_eq!(
        host.sh("root", "cd /; echo in | caddis run --user alice cat")
            .ok()
            .text(),
        "in"
    );
    assert_eq!(
        run("grep -h ^Cap[PEB] /proc/self/status")
            .ok()
            .stdout
            .lines()
            .take(2)
            .filter(|line| line.ends_with("0000000000000000"))
            .count(),
        2
    );
    assert_eq!(
        root(
            &host,
            "root --user alice sh -c 'id -u; echo mine > /etc/motd'"
        )
        .ok()
        .text(),
        "0"
    );
    // It is alice's own environment, and nothing of root's comes along.
    assert_eq!(host.inside("alice", "cat /etc/motd").ok().text(), "mine");
    run("cat /root/secret.txt /etc/shadow /home/bob/private.txt").fails();
    run("ls /proc/self/fd/5").fails();
    assert_eq!(
        host.sh(
            "root",
            "exec 5< /root/secret.txt; cd /; caddis run --user alice ls /proc/self/fd | wc -w"
        )
        .ok()
        .text(),
        "4"
    );

    let own = "caddis: root has no environment of its own\n  hint: root can run for somebody else (`caddis run --user NAME COMMAND`";
    for line in [
        "run true",
        "enter",
        "root",
        "list",
        "new x",
        "run --user root true",
        "config",
        "ps",
        "stop",
        "remove --yes x",
    ] {
        root(&host, line).exits(125).says(own);
    }
    root(&host, "run --user nobody-there true")
        .exits(125)
        .says("caddis: run for user nobody-there: there is no such user");
    root(&host, "run --user munge true")
        .exits(125)
        .says("caddis: cannot use Caddis: ");
    host.sh("alice", "caddis run --user bob true")
        .exits(125)
        .says("caddis: run for user bob: only root may run for somebody else");
    host.sh("alice", "caddis run --user alice true")
        .exits(125)
        .says("only root");
}

#[test]
fn policy_check_names_file_line_key_and_what_is_allowed() {
    let host = Host::start().unwrap();
    let good = root(&host, "admin policy check").ok();
    assert_eq!(good.stdout, "/etc/caddis/policy.toml: ok\n");
    host.policy("# a comment\n[session]\nlinger = \"soon\"\nlingr = \"5s\"\n\n[view]\nprivate = [\"home\", \"/a/../b\"]\n[devises]\n");
    let bad = root(&host, "admin policy check").exits(1);
    let lines: Vec<&str> = bad.stdout.lines().collect();
    let has = |start: &str, part: &str| {
        let found = lines
            .iter()
            .any(|line| line.starts_with(start) && line.contains(part));
        assert!(found, "{start} {part}\n{bad}");
    };
    has("/etc/caddis/policy.toml:3:", "key `session.linger`: ");
    has("/etc/caddis/policy.toml:3:", "; allowed: ");
    has("/etc/caddis/policy.toml:4:", "key `session.lingr`: ");
    has("/etc/caddis/policy.toml:4:", "linger");
    has("/etc/caddis/policy.toml:7:", "key `view.private");
    has("/etc/caddis/policy.toml:8:", "devices");
    // The same as data, of another file, by anybody.
    host.write("/home/alice/p.toml", "[ids]\nfirst_uid = -1\n", 0o644);
    assert_eq!(
        json(
            &host,
            "admin policy check /home/alice/p.toml",
            "[(e['file'], e['line'], e['key']) for e in j]"
        ),
        "[('/home/alice/p.toml', 2, 'ids.first_uid')]"
    );
    host.sh("alice", "caddis admin policy check p.toml")
        .exits(1);
    host.sh("alice", "caddis admin policy check /etc/shadow")
        .exits(125)
        .says("caddis: read policy /etc/shadow: Permission denied");
    host.write("/home/alice/p.toml", "", 0o644);
    host.sh("alice", "caddis admin policy check p.toml").ok();
    // A broken policy lets nobody in, and the refusal says where.
    let refused = host.inside("alice", "true").exits(125);
    refused.says(
        "caddis: cannot read the policy /etc/caddis/policy.toml: line 3, key `session.linger`: ",
    );
    root(&host, "run --user alice true")
        .exits(125)
        .says("line 3");
}

#[test]
fn refresh_takes_notice_of_what_only_root_can_read() {
    let host = Host::start().unwrap();
    assert!(
        root(&host, "admin refresh")
            .ok()
            .stdout
            .contains("the veil is as it was")
    );
    host.sh("root", "mkdir -m 700 /etc/locked; echo secret > /etc/locked/file; install -m 600 /dev/null /etc/key").ok();
    let look =
        "ls /etc/locked; stat -c '%a %u' /etc/locked; echo mine > /etc/locked/own; cat /etc/key";
    // Before the refresh it is locked; after it, root of the environment has an empty directory of its own.
    host.inside_root("alice", look)
        .fails()
        .says("Permission denied");
    assert!(
        root(&host, "admin refresh")
            .ok()
            .stdout
            .contains("the veil is new")
    );
    host.sh("alice", "caddis stop").ok();
    let after = host
        .inside_root("alice", look)
        .fails()
        .says("/etc/key: No such file");
    assert_eq!(after.stdout, "700 0\n");
    assert_eq!(host.sh("root", "ls /etc/locked").ok().text(), "file");
    // A generation in use stays for as long as it is; those that nobody uses go with the next refresh that builds.
    let generations = || {
        host.sh(
            "root",
            "ls /var/lib/caddis/veil | grep -v -e [.] -e basis | paste -sd ' '",
        )
        .text()
        .to_owned()
    };
    let mut session = host.session("alice", "echo; read; stat -c %a /etc/locked");
    session.line();
    host.sh("root", "mkdir -m 700 /etc/locked2; caddis admin refresh")
        .ok();
    assert_eq!(generations(), "2 3");
    session.send("\n");
    assert_eq!(session.line(), "700");
    session.wait().ok();
    host.sh(
        "root",
        "caddis admin stop --all; mkdir -m 700 /etc/locked3; caddis admin refresh",
    )
    .ok();
    assert_eq!(generations(), "4");
}

/// The next line of Caddis in the host's log of logins and the like that contains `text`.
fn logged(reader: &mut HostChild, text: &str) -> String {
    loop {
        let line = reader.line();
        if line.contains("caddis[") && line.contains(text) {
            return line;
        }
    }
}

#[test]
fn the_system_log_has_a_line_for_each_start_join_and_refusal() {
    let host = Host::start().unwrap();
    host.start_syslog();
    let follow = ["tail", "-F", "-n", "+1", "/var/log/auth.log"];
    let mut log = host.command("root", &follow).spawn();
    let mut session = host.session("alice", "echo; exec cat");
    session.line();
    let start = logged(&mut log, " uid=1000 ");
    assert!(
        start.ends_with(": start uid=1000 env=default as=user"),
        "{start}"
    );
    host.sh("alice", "caddis root true").ok();
    let join = logged(&mut log, " uid=1000 ");
    assert!(
        join.ends_with(": join uid=1000 env=default as=root"),
        "{join}"
    );
    root(&host, "run -e other --user bob true").ok();
    let by_root = logged(&mut log, "");
    assert!(
        by_root.ends_with(": start uid=1001 env=other as=user by=0"),
        "{by_root}"
    );
    let login = "/usr/local/libexec/caddis/caddis-helper session --login -- true";
    host.sh("alice", login).ok();
    let login = logged(&mut log, "");
    assert!(
        login.ends_with(": join uid=1000 env=default as=user for=login"),
        "{login}"
    );
    host.policy("[access]\ndeny_users = [\"carol\"]\n");
    host.inside("carol", "true").exits(125);
    let refused = logged(&mut log, "");
    assert!(
        refused.contains(": refused uid=1002: cannot use Caddis: "),
        "{refused}"
    );
    // A name chosen by a user does not forge a line.
    let forged = "/usr/local/libexec/caddis/caddis-helper session --env $'x\\nforged: start uid=0'";
    host.sh("bob", forged).exits(125);
    let refused = logged(&mut log, "");
    assert!(
        refused.contains(": refused uid=1001: ") && refused.contains("forged"),
        "{refused}"
    );
    // A log that nobody reads keeps nobody out.
    host.sh("root", "pkill -STOP rsyslogd").ok();
    host.sh(
        "alice",
        "for i in {1..40}; do caddis run true || exit; done",
    )
    .ok();
}

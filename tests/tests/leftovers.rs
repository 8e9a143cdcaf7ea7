//! What is left of a former instance, or lies where Caddis keeps its own: the next start waits for it, clears it away
//! or says in a sentence what is in its way, and no wrong process comes to harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Output, Signal, eventually};
use caddis_tests::{Environments, State};
use std::time::Duration;

const HOLD: &str = "/usr/local/bin/hold";
/// Where the instance of alice's environment "default" is noted.
const RUN: &str = "/run/caddis/1000/default";

/// A host with a program that holds files, where instances end with their last session.
fn host() -> Host {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"0\"\n");
    host.write(HOLD, include_str!("../attacks/hold.py"), 0o755);
    host
}

/// A process of `user` on the host that has what `path` leads to in alice's environment.
fn holder(host: &Host, user: &str, kind: &str, path: &str) -> HostChild {
    let name = format!("hold-{user}-{kind}");
    let mut holder = host.command(user, &[HOLD, &name, kind]).spawn();
    assert_eq!(holder.line(), "ready");
    let give = ["root", HOLD, &name, kind, path];
    host.caddis("alice", &give).run().ok();
    assert_eq!(holder.line(), "held");
    holder
}

/// Ends within its time, whatever is in its way.
fn soon(host: &Host, user: &str, words: &[&str]) -> Output {
    let command = host.caddis(user, words);
    command.deadline(Duration::from_secs(30)).run()
}

#[test]
fn changes_are_not_mounted_again_while_a_file_of_the_former_instance_is_open_outside() {
    let host = host();
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    for (user, kind, path) in [
        ("alice", "file", "/etc/motd"),
        ("alice", "map", "/etc/motd"),
        ("alice", "read", "/usr/bin/env"),
        ("alice", "path", "/usr/bin/env"),
        ("alice", "directory", "/opt"),
        ("alice", "cwd", "/"),
        ("bob", "read", "/etc/motd"),
    ] {
        let mut holder = holder(&host, user, kind, path);
        soon(&host, "alice", &["stop"]).ok();
        let refused = soon(&host, "alice", &["run", "true"]).exits(125);
        refused
            .clone()
            .says("caddis: cannot start the environment \"default\": ")
            .says("\n  hint: a process outside of the environment still holds a file of its former instance open");
        assert_eq!(refused.stderr.lines().count(), 2, "{kind}: {refused}");
        assert_eq!(host.count("caddis-init"), 0, "{kind}");
        // Nobody else is kept waiting.
        soon(&host, "bob", &["run", "true"]).ok();
        soon(&host, "alice", &["run", "-e", "other", "true"]).ok();
        soon(&host, "root", &["admin", "list"]).ok();
        holder.close_stdin();
        holder.wait().ok();
        let motd = if kind == "file" { "late" } else { "mine" };
        let seen = soon(&host, "alice", &["run", "cat", "/etc/motd"]).ok();
        assert_eq!((seen.text(), seen.stderr.as_str()), (motd, ""), "{kind}");
        host.inside_root("alice", "echo mine > /etc/motd").ok();
    }
}

#[test]
fn a_start_waits_a_moment_for_the_last_file_of_the_former_instance() {
    let host = host();
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    for _ in 0..5 {
        let mut holder = holder(&host, "alice", "read", "/etc/motd");
        soon(&host, "alice", &["stop"]).ok();
        // The holder goes while the start tries, long before its last try.
        let mut start = host.caddis("alice", &["run", "cat", "/etc/motd"]).spawn();
        holder.kill(Signal::KILL);
        holder.wait().exits(137);
        assert_eq!(start.line(), "mine");
        start.wait().ok();
    }
}

#[test]
fn an_environment_that_is_held_can_be_copied_and_removed() {
    let host = host();
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    let mut holder = holder(&host, "alice", "file", "/etc/motd");
    soon(&host, "alice", &["stop"]).ok();
    soon(&host, "alice", &["new", "copy", "--from", "default"]).ok();
    soon(&host, "alice", &["remove", "--yes", "default"]).ok();
    // Another environment of that name has changes of its own.
    let words = ["root", "sh", "-c", "cat /etc/motd; echo new > /etc/motd"];
    let new = soon(&host, "alice", &words).ok();
    assert!(!new.stdout.contains("mine"), "{new}");
    holder.close_stdin();
    holder.wait().ok();
    let read = |name| soon(&host, "alice", &["run", "-e", name, "cat", "/etc/motd"]).ok();
    assert_eq!(
        (read("copy").text(), read("default").text()),
        ("mine", "new")
    );
}

/// What lies in the place of a file of Caddis's own, and what the next start says; `None`: it works.
const IN_THE_WAY: [(&str, Option<&str>); 20] = [
    ("mkdir lock", Some("cannot open the lock: Is a directory")),
    (
        "ln -s /nowhere lock",
        Some("cannot open the lock: Too many levels of symbolic links"),
    ),
    ("mkfifo lock", None),
    ("mkdir sessions", None),
    (
        "mkdir -p sessions/full",
        Some("the FIFO of sessions: File exists"),
    ),
    ("echo garbage > sessions", None),
    ("ln -s /etc/hostname sessions", None),
    ("mkfifo sessions", None),
    ("mkdir init", None),
    (
        "mkdir -p init/full",
        Some("the record of default: File exists"),
    ),
    ("mkfifo init", None),
    ("ln -s /etc/hostname init", None),
    ("ln -s init init", None),
    ("touch init", None),
    ("echo nonsense > init", None),
    ("head -c 100000 /dev/urandom > init", None),
    ("echo 'R 99999999999999999999 1 1' > init", None),
    ("echo 'R -1 1 1' > init", None),
    (
        "cd ..; rmdir default; touch default",
        Some("cannot open the directory default: Not a directory"),
    ),
    (
        "cd ..; rmdir default; ln -s /tmp default",
        Some("cannot open the directory default: "),
    ),
];

#[test]
fn what_lies_in_the_place_of_caddis_own_files_is_cleared_away_or_named() {
    let host = host();
    soon(&host, "alice", &["run", "true"]).ok();
    host.sh("root", "cp /etc/hostname /root/hostname").ok();
    for (spoil, sentence) in IN_THE_WAY {
        // It ends with its last session, which does not wait for that.
        eventually("the former instance ends", || {
            host.count("caddis-init") == 0
        });
        host.sh(
            "root",
            &format!("rm -rf {RUN}; mkdir -p -m 700 {RUN}; cd {RUN}; {spoil}"),
        )
        .ok();
        // Whoever only looks has an answer, and nobody waits.
        for (user, words) in [
            ("alice", &["list"][..]),
            ("alice", &["ps"]),
            ("alice", &["stop"]),
            ("root", &["admin", "list"]),
            ("root", &["admin", "stop", "--all"]),
        ] {
            let looked = soon(&host, user, words);
            let failed = looked.code() == 125 && looked.stderr.starts_with("caddis: cannot ");
            assert!(looked.code() == 0 || failed, "{spoil}: {looked}");
        }
        let output = soon(&host, "alice", &["run", "echo", "ran"]);
        match sentence {
            None => {
                let output = output.ok();
                assert_eq!(
                    (output.text(), output.stderr.as_str()),
                    ("ran", ""),
                    "{spoil}"
                );
                soon(&host, "alice", &["run", "true"]).ok();
            }
            Some(sentence) => {
                let output = output.exits(125).says("caddis: cannot ").says(sentence);
                assert_eq!(output.stderr.lines().count(), 1, "{spoil}: {output}");
                // Once it is away all is well.
                host.sh("root", &format!("rm -rf {RUN}")).ok();
                soon(&host, "alice", &["run", "true"]).ok();
            }
        }
    }
    host.sh("root", "cmp /etc/hostname /root/hostname").ok();
}

/// A process of bob's by its number and the time of its start, as a record names them.
fn named(host: &Host, pid: u32) -> String {
    let stat = host.read_text(&format!("/proc/{pid}/stat"));
    let after = stat.rsplit_once(')').unwrap().1;
    let started = after.split_whitespace().nth(19).unwrap();
    format!("{pid} {started}")
}

#[test]
fn a_record_that_names_a_process_of_somebody_else_harms_nobody() {
    let host = host();
    soon(&host, "alice", &["run", "true"]).ok();
    let mut sleeper = host.spawn("bob", "exec sleep infinity");
    let mut session = host.session("bob", "echo; read -r end");
    session.line();
    let bobs_first = host.first_process(1001, "default").unwrap();
    let processes = [
        named(&host, sleeper.pid_in_host()),
        named(&host, session.pid_in_host()),
        // The host's own process 1.
        named(&host, 1),
    ];
    let mut records: Vec<String> = processes
        .iter()
        .flat_map(|process| {
            ["R", "E"].map(|state| format!("printf '{state} {process} %s\\n' $(stat -c %i init)"))
        })
        .collect();
    // A copy of the record of bob's instance, as it is.
    records.push("cat /run/caddis/1001/default/init".to_owned());
    for record in &records {
        let write = || {
            let script = format!(
                "mkdir -p -m 700 {RUN}; cd {RUN}; touch init; {record} > record; cat record > init"
            );
            host.sh("root", &script).ok();
        };
        for words in [
            &["stop"][..],
            &["run", "true"],
            &["new", "copy", "--from", "default"],
            &["remove", "--yes", "--force", "copy"],
            &["remove", "--yes", "--force", "default"],
            &["run", "true"],
        ] {
            write();
            soon(&host, "alice", words);
        }
        write();
        let listed = soon(&host, "alice", &["list"]).ok();
        assert!(listed.stdout.contains("stopped"), "{record}: {listed}");
        assert_eq!(soon(&host, "alice", &["ps", "--json"]).ok().text(), "[]");
        soon(&host, "root", &["admin", "stop", "--user", "alice"]).ok();
        assert!(!sleeper.has_ended() && !session.has_ended(), "{record}");
        assert_eq!(host.first_process(1001, "default"), Some(bobs_first));
    }
    soon(&host, "alice", &["run", "true"]).ok();
    session.send("end\n");
    session.wait().ok();
    sleeper.kill(Signal::KILL);
    sleeper.wait();
}

/// Environments that cannot be looked at, by what is wrong with them, and what is said of them.
const DAMAGED: [(&str, &str); 4] = [
    (
        "mkdir -p /run/caddis/1000; rm -rf /run/caddis/1000/b; touch /run/caddis/1000/b",
        "b: Not a directory",
    ),
    (
        "rm -rf /run/caddis/1000/b; ln -s /tmp /run/caddis/1000/b",
        "b: ",
    ),
    (
        "rm -rf /run/caddis/1000/b /var/lib/caddis/env/1000/b; ln -s a /var/lib/caddis/env/1000/b",
        "",
    ),
    (
        "rm -rf /var/lib/caddis/env/1000/b; touch /var/lib/caddis/env/1000/b",
        "",
    ),
];

#[test]
fn a_damaged_environment_hides_no_other() {
    let host = host();
    let mut session = host.session("alice", "echo; read -r end");
    session.line();
    for name in ["a", "b", "c"] {
        soon(&host, "alice", &["new", name]).ok();
    }
    soon(&host, "bob", &["new", "bobs"]).ok();
    for (damage, said) in DAMAGED {
        host.sh("root", damage).ok();
        for (user, words) in [("alice", &["list"][..]), ("root", &["admin", "list"])] {
            let listed = soon(&host, user, words);
            for name in ["a", "c", "default"] {
                let line = format!("{name} ");
                let found = listed.stdout.lines().any(|one| one.contains(&line));
                assert!(found, "{damage}: {name}: {listed}");
            }
            assert_eq!(listed.stdout.contains("bobs"), user == "root", "{listed}");
            if !said.is_empty() {
                let listed = listed.exits(125).says("caddis: cannot ").says(said);
                assert_eq!(listed.stderr.lines().count(), 1, "{listed}");
            }
        }
        let processes = soon(&host, "alice", &["ps"]);
        assert!(processes.stdout.contains("bash"), "{damage}: {processes}");
        assert!(
            soon(&host, "root", &["admin", "ps"])
                .stdout
                .contains("bash")
        );
        soon(&host, "alice", &["run", "-e", "c", "true"]).ok();
    }
    // All of a user's, on disk or at run time: others' show, also those who come after.
    let mut bobs = host.session("bob", "echo; exec -a of-bob sleep infinity");
    bobs.line();
    host.comes_to("^of-bob infinity$", 1);
    host.sh(
        "root",
        "mv /var/lib/caddis/env/1000 /root/kept; touch /var/lib/caddis/env/1000",
    )
    .ok();
    let listed = soon(&host, "root", &["admin", "list"]).exits(125);
    assert!(listed.stdout.contains("default"), "{listed}");
    let processes = soon(&host, "root", &["admin", "ps"]).exits(125);
    assert!(processes.stdout.contains("of-bob"), "{processes}");
    for output in [listed, processes] {
        let says = "caddis: cannot open the directory 1000: Not a directory\n";
        assert_eq!(output.stderr, says, "{output}");
    }
    // And all are ended: what runs is found where it runs.
    soon(&host, "root", &["admin", "stop", "--all"]).ok();
    bobs.wait().exits(143);
    session.wait().fails();
}

//! Tries whose user means ill: what is left over of one, what is put in its way, whoever is killed meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Output};
use caddis_tests::{Environments, HELPER, NothingLeft, State, Told, Untouched, interrupted_try};
use std::time::Duration;

const HOLD: &str = "/usr/local/bin/hold";
const SHAKE: &str = "/usr/local/bin/shake";

fn host() -> Host {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"0\"\n");
    host.write(HOLD, include_str!("../attacks/hold.py"), 0o755);
    host.write(SHAKE, include_str!("../attacks/shake.py"), 0o755);
    host
}

fn soon(host: &Host, words: &[&str]) -> Output {
    let command = host.caddis("alice", words);
    command.deadline(Duration::from_secs(120)).run()
}

/// A process of alice's on the host that waits for what comes out of an environment.
fn waiting(host: &Host, words: &[&str]) -> HostChild {
    let mut holder = host.command("alice", words).spawn();
    assert_eq!(holder.line(), "ready");
    holder
}

#[test]
fn a_file_of_the_environment_that_is_held_outside_keeps_a_try_from_starting() {
    let host = host();
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    let mut holder = waiting(&host, &[HOLD, "motd", "file"]);
    soon(&host, &["root", HOLD, "motd", "file", "/etc/motd"]).ok();
    assert_eq!(holder.line(), "held");
    let refused = soon(&host, &["try", "--keep", "true"]).told();
    refused.says("a process outside of the environment still holds a file");
    holder.close_stdin();
    holder.wait().ok();
    assert_eq!(
        soon(&host, &["try", "--keep", "cat", "/etc/motd"])
            .ok()
            .text(),
        "late"
    );
}

#[test]
fn a_file_of_a_try_that_is_held_outside_is_no_way_to_anything_else() {
    for word in ["--keep", "--discard"] {
        let host = host();
        host.inside_root("alice", "echo mine > /etc/motd").ok();
        let mut holder = waiting(&host, &[HOLD, "motd", "file"]);
        let give = format!("echo tried > /etc/motd; {HOLD} motd file /etc/motd");
        soon(&host, &["try", "--root", word, "bash", "-c", &give]).ok();
        assert_eq!(holder.line(), "held");
        soon(&host, &["run", "true"]).ok();
        holder.close_stdin();
        holder.wait().ok();
        let seen = soon(&host, &["run", "cat", "/etc/motd"]).ok();
        // A file that was kept is the user's own still; one that was discarded is gone.
        assert_eq!(seen.text(), if word == "--keep" { "late" } else { "mine" });
    }
}

/// Somebody goes on changing a directory of the try while it is kept: it is kept in one of its states, or not at all,
/// and nothing else is touched.
#[test]
fn a_directory_of_a_try_that_is_changed_meanwhile_is_kept_in_some_state() {
    let host = host();
    let before = host.files();
    host.inside_root("alice", "mkdir -p /opt/s/n{0..7}; echo mine > /etc/motd")
        .ok();
    let mut kept = 0;
    for number in 0..15 {
        let name = format!("shake{number}");
        let mut shaking = waiting(&host, &[SHAKE, &name]);
        let give = format!("touch /opt/s/{number}; {SHAKE} {name} /opt/s");
        let outcome = soon(&host, &["try", "--root", "--keep", "bash", "-c", &give]);
        assert_eq!(shaking.line(), "held");
        match outcome.code() {
            0 => kept += 1,
            _ => drop(
                outcome
                    .exits(125)
                    .says("caddis: cannot keep the try of \"default\": "),
            ),
        }
        soon(&host, &["run", "cat", "/etc/motd"]).ok();
        shaking.close_stdin();
        shaking.wait().ok();
        let listed = soon(&host, &["run", "find", "/opt/s", "-ls"]).ok();
        assert!(!listed.stdout.contains("shadow"), "{listed}");
    }
    println!("{kept} of 15 were kept");
    soon(&host, &["stop"]).ok();
    host.still_has(&before);
}

/// Names like those that Caddis gives, in places of the user's.
#[test]
fn names_that_look_like_caddis_own_mean_nothing() {
    let host = host();
    soon(&host, &["new", "try"]).ok();
    soon(&host, &["new", "keep"]).ok();
    let make =
        "mkdir -p /try/@ /keep/@ /@.work /.copy-1 /opt/try; echo 1 > /try/@/f; echo x > /config";
    for name in ["try", "keep", "default"] {
        soon(
            &host,
            &["try", "-e", name, "--root", "--keep", "bash", "-c", make],
        )
        .ok();
        soon(
            &host,
            &["try", "-e", name, "--root", "--discard", "rm", "-r", "/try"],
        )
        .ok();
        let seen = soon(
            &host,
            &[
                "run",
                "-e",
                name,
                "sh",
                "-c",
                "cat /try/@/f /config; ls -d /keep/@ /@.work",
            ],
        );
        assert_eq!(seen.ok().stdout, "1\nx\n/@.work\n/keep/@\n");
    }
    assert_eq!(
        soon(&host, &["list", "--names"]).ok().stdout,
        "default\nkeep\ntry\n"
    );
}

#[test]
fn another_users_try_is_out_of_reach() {
    let host = host();
    interrupted_try(&host, "touch /opt/tried");
    let others = host
        .sh("bob", &format!("{HELPER} try --keep default"))
        .told();
    others.says("there is none of that name");
    host.sh(
        "bob",
        &format!("{HELPER} try --for 1000:1000 --discard default"),
    )
    .told();
    host.sh(
        "bob",
        &format!("{HELPER} session --for 1000:1000 --try -- true"),
    )
    .told();
    soon(&host, &["try", "--keep"]).ok();
    assert_eq!(host.inside("alice", "ls /opt").ok().text(), "tried");
}

/// Whichever process is killed whenever, the next use works, with all of the changes or none.
#[test]
fn a_try_that_is_killed_anywhere_leaves_all_or_nothing() {
    let host = host();
    let mounts = host.mounts();
    host.inside_root("alice", "echo mine > /etc/motd; echo mine > /opt/f")
        .ok();
    let script = "echo tried > /etc/motd; echo tried > /opt/f";
    for (calls, last) in [
        ("mkdirat,renameat2", 14),
        ("move_mount,fsmount,mount_setattr", 30),
        ("openat2", 40),
        ("clone,clone3,fork,vfork", 6),
        ("execve", 5),
        ("setns,pivot_root,exit_group", 6),
    ] {
        for number in (1..last).step_by(3) {
            host.inside_root("alice", "echo mine > /etc/motd; echo mine > /opt/f")
                .ok();
            let words = ["try", "--root", "--keep", "bash", "-c", script];
            host.caddis_killed_at("alice", calls, number, &words).run();
            let seen = soon(&host, &["run", "cat", "/etc/motd", "/opt/f"]).ok();
            let whole = ["mine\nmine\n", "tried\ntried\n"].contains(&seen.stdout.as_str());
            assert!(whole, "{calls} {number}: {seen}");
            let said = [
                "",
                "caddis: a try of \"default\" that nobody has kept is discarded\n",
            ];
            assert!(
                said.contains(&seen.stderr.as_str()),
                "{calls} {number}: {seen}"
            );
        }
    }
    host.sh("alice", "caddis new other && caddis remove --yes other")
        .ok();
    host.has_nothing_left(&mounts);
}

/// The note of whose word is waited for is believed only of a process that is that.
#[test]
fn a_note_that_names_nobody_keeps_nobody_waiting() {
    let host = host();
    let note = "/run/caddis/1000/default/try";
    for spoil in [
        format!("echo '1 1' > {note}"),
        format!("echo garbage > {note}"),
        format!("rm -f {note}; mkdir {note}"),
        format!("rm -rf {note}; mkfifo {note}"),
        format!("rm -rf {note}; ln -s /etc/passwd {note}"),
    ] {
        interrupted_try(&host, "touch /opt/tried");
        host.sh("root", &spoil).ok();
        assert_eq!(
            soon(&host, &["run", "ls", "/opt"]).ok().stdout,
            "",
            "{spoil}"
        );
        soon(&host, &["try", "--keep", "true"]).ok();
    }
}

/// More directories in one than there are descriptors, and a tree that is deeper than any stack.
#[test]
fn wide_and_deep_trees_are_kept() {
    let host = host();
    let wide = "import os, sys
os.makedirs(\"/opt/w\", exist_ok=True); os.chdir(\"/opt/w\")
for number in range(1500):
    os.makedirs(str(number), exist_ok=True); open(f\"{number}/\" + sys.argv[1], \"w\").close()";
    let deep = "import os, sys
os.chdir(\"/opt\")
for level in range(1000):
    if not os.path.isdir(\"d\"): os.mkdir(\"d\")
    os.chdir(\"d\"); open(sys.argv[1], \"w\").close()";
    let few = |program: &str| {
        let command =
            format!("ulimit -n 256; caddis try --root --keep python3 -c '{program}' tried");
        let bash = ["bash", "-c", &command];
        let command = host.command("alice", &bash);
        command.deadline(Duration::from_secs(180)).run()
    };
    let seen = |script: &str| {
        let found = soon(&host, &["run", "bash", "-c", script]).ok();
        found.text().to_owned()
    };
    soon(&host, &["root", "python3", "-c", wide, "own"]).ok();
    few(wide).ok();
    assert_eq!(
        seen("find /opt/w -name own | wc -l; find /opt/w -name tried | wc -l"),
        "1500\n1500"
    );
    soon(&host, &["root", "python3", "-c", deep, "own"]).ok();
    // Where the descriptors do not suffice, nothing is lost.
    few(deep).exits(125).says("Too many open files");
    soon(&host, &["try", "--keep"]).ok();
    assert_eq!(
        seen("find /opt/d -name own | wc -l; find /opt/d -name tried | wc -l"),
        "1000\n1000"
    );
}

/// Only the host's root can make one, and a backup may bring it back.
#[test]
fn a_file_that_cannot_be_removed_does_not_undo_a_keep() {
    let host = host();
    let state = "/var/lib/caddis/env/1000";
    host.inside_root("alice", "mkdir /opt/d; touch /opt/d/f /opt/g")
        .ok();
    let immutable = |sign: &str, place: &str| {
        let script = format!("chattr {sign}i {state}/{place}");
        host.sh("root", &script).ok();
    };
    interrupted_try(&host, "rm -r /opt/d");
    immutable("+", "default/@/opt/d/f");
    soon(&host, &["try", "--keep"]).ok();
    assert_eq!(soon(&host, &["run", "ls", "/opt"]).ok().stdout, "g\n");
    immutable("-", ".copy-*/@/opt/d/f");
    soon(&host, &["new", "other"]).ok();
    let left = host.sh("root", &format!("ls -A -I .account {state}")).ok();
    assert_eq!(left.stdout, "default\nother\n");
    // What cannot be linked is named, and nothing is lost.
    immutable("+", "default/@/opt/g");
    let refused = soon(&host, &["try", "--root", "--keep", "touch", "/opt/h"]);
    refused.exits(125).says("link g: Operation not permitted");
    immutable("-", "default/@/opt/g");
    soon(&host, &["try", "--keep"]).ok();
    assert_eq!(soon(&host, &["run", "ls", "/opt"]).ok().stdout, "g\nh\n");
}

//! `caddis stop` and `caddis admin stop` end environments together: none of them keeps the others,
//! or root, waiting.
//!
//! A command has three minutes in the lab. Each test has so many environments that they would take
//! longer one after the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, HostChild, Signal, eventually};
use caddis_tests::{Environments, State};

/// A session in this environment that runs `script`, which says a line when it is ready.
fn session(host: &Host, user: &str, environment: &str, script: &str) -> HostChild {
    let words = ["run", "-e", environment, "sh", "-c", script];
    let mut session = host.caddis(user, &words).spawn();
    session.line();
    session
}

/// Twelve environments of two users whose processes ignore SIGTERM, each of them for as long as the
/// policy lets it. One after the other they kept root busy for twelve times that, and the last ones
/// running: more than the three minutes that a command has here.
#[test]
fn environments_that_ignore_the_request_are_ended_together() {
    let host = Host::start().unwrap();
    host.policy("[session]\nstop_grace = \"20s\"\n");
    let mut sessions: Vec<HostChild> = (0..12)
        .map(|number| {
            let user = ["alice", "bob"][number % 2];
            let ignore = "trap '' TERM; echo; while :; do sleep 1000; done";
            session(&host, user, &format!("e{number}"), ignore)
        })
        .collect();
    host.run("root", &["caddis", "admin", "stop", "--all"]).ok();
    assert_eq!(host.count("^caddis-init"), 0);
    for session in sessions.drain(..) {
        session.wait().exits(137);
    }
}

/// Somebody holds the locks of four environments, as a process does that is frozen by its user
/// while it copies them. Root waited for a minute at each, and the environment of another user went
/// on until then.
#[test]
fn a_lock_that_is_held_keeps_nobody_from_ending_an_environment() {
    let host = Host::start().unwrap();
    let names = ["a", "b", "c", "d"];
    let wait = "echo; exec sleep infinity";
    let sessions: Vec<HostChild> = names
        .iter()
        .map(|name| session(&host, "alice", name, wait))
        .collect();
    let bobs = session(&host, "bob", "default", wait);
    let holders: Vec<HostChild> = names
        .iter()
        .map(|name| {
            let lock = format!("/run/caddis/1000/{name}/lock");
            let mut holder = host.spawn("root", &format!("flock {lock} sh -c 'echo; cat'"));
            holder.line();
            holder
        })
        .collect();
    host.run("root", &["caddis", "admin", "stop", "--all"]).ok();
    for session in sessions.into_iter().chain([bobs]) {
        session.wait().exits(143);
    }
    drop(holders);
}

/// Two environments of alice's hang in the kernel, where no signal reaches them. The command names
/// the processes that hang, and the other environments end.
#[test]
fn what_cannot_be_ended_is_named_and_the_others_end() {
    let host = Host::builder()
        .disk("/data", FileSystem::Ext4, "64M")
        .start()
        .unwrap();
    host.policy("[session]\nstop_grace = \"1s\"\n[view]\nshared = [\"/data\"]\n");
    host.sh("root", "chmod 1777 /data").ok();
    let wait = "echo; exec sleep infinity";
    let other = session(&host, "alice", "other", wait);
    let bobs = session(&host, "bob", "default", wait);
    let write = "echo; read -r go; exec dd if=/dev/zero of=/data/$0 bs=1 count=1 conv=notrunc";
    let mut stuck: Vec<HostChild> = ["s1", "s2"]
        .iter()
        .map(|name| {
            let words = ["run", "-e", name, "sh", "-c", write, name];
            let mut session = host.caddis("alice", &words).spawn();
            session.line();
            session
        })
        .collect();
    host.sh(
        "root",
        "touch /data/s1 /data/s2; chmod 666 /data/s?; fsfreeze -f /data",
    )
    .ok();
    for session in &mut stuck {
        session.send("go\n");
    }
    let hang = || host.sh("root", "pgrep -r D -x dd").stdout;
    eventually("both hang", || hang().lines().count() == 2);
    let pids = hang();
    let stop = host.run("root", &["caddis", "admin", "stop", "--all"]);
    other.wait().exits(143);
    bobs.wait().exits(143);
    let stop = stop.exits(125);
    for name in ["s1", "s2"] {
        let named = format!(
            "caddis: cannot stop environment \"{name}\" of user 1000: these processes have not ended"
        );
        stop.clone().says(&named);
    }
    for pid in pids.lines() {
        stop.clone().says(&format!("{pid} (uninterruptible)"));
    }
    assert_eq!(stop.stderr.lines().count(), 4, "{stop}");
    // Once it is thawed, they end by themselves.
    host.sh("root", "fsfreeze -u /data").ok();
    host.comes_to("^caddis-init", 0);
}

/// Twelve environments in frozen cgroups of version 2, where SIGKILL has an effect and SIGTERM has
/// none. On the old code, `caddis admin stop --all` took 28 seconds for two of them.
#[test]
fn frozen_cgroups_keep_no_environment_alive() {
    let host = Host::builder().systemd().start().unwrap();
    let names: Vec<String> = (0..12).map(|number| format!("f{number}")).collect();
    let start = |user: &str, name: &str| {
        let command = format!(
            "systemd-run --quiet --unit=of-{name} --uid={user} caddis run -e {name} sleep infinity"
        );
        host.sh("root", &command).ok();
    };
    for name in &names {
        start("alice", name);
    }
    start("bob", "thawed");
    host.comes_to("^sleep infinity$", 13);
    let freeze = format!(
        "for name in {}; do cd /sys/fs/cgroup/system.slice/of-$name.service; echo 1 > cgroup.freeze; \
         until grep -q 'frozen 1' cgroup.events; do :; done; done",
        names.join(" ")
    );
    host.sh("root", &freeze).ok();
    host.run("root", &["caddis", "admin", "stop", "--all"]).ok();
    assert_eq!(host.count("^sleep infinity$"), 0);
    assert_eq!(host.count("^caddis-init"), 0);
}

/// The user's own way to end all.
#[test]
fn a_user_ends_all_environments_at_once() {
    let host = Host::start().unwrap();
    host.policy("[session]\nstop_grace = \"20s\"\n");
    let ignore = "trap '' TERM; echo; while :; do sleep 1000; done";
    let sessions: Vec<HostChild> = (0..10)
        .map(|number| session(&host, "alice", &format!("e{number}"), ignore))
        .collect();
    let mut bobs = session(&host, "bob", "default", "echo; exec sleep infinity");
    host.run("alice", &["caddis", "stop", "--all"]).ok();
    for session in sessions {
        session.wait().exits(137);
    }
    assert!(!bobs.has_ended());
    bobs.kill(Signal::KILL);
    bobs.wait();
}

/// `caddis remove --force` ends the environments together before it removes them.
#[test]
fn a_user_removes_environments_at_once() {
    let host = Host::start().unwrap();
    host.policy("[session]\nstop_grace = \"20s\"\n");
    let ignore = "trap '' TERM; echo; while :; do sleep 1000; done";
    let names: Vec<String> = (0..10).map(|number| format!("e{number}")).collect();
    let sessions: Vec<HostChild> = names
        .iter()
        .map(|name| session(&host, "alice", name, ignore))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let words = [&["remove", "--force", "--yes"], names.as_slice()].concat();
    host.caddis("alice", &words).run().ok();
    for session in sessions {
        session.wait().exits(137);
    }
    assert_eq!(
        host.run("alice", &["caddis", "list", "--json"]).ok().text(),
        "[]"
    );
}

/// Two environments of alice's have ended but for a process that hangs in the kernel. On the old
/// code `caddis remove` waited two minutes for each of them, without bound for many.
#[test]
fn environments_that_cannot_end_share_the_patience_of_a_removal() {
    let host = Host::builder()
        .disk("/data", FileSystem::Ext4, "64M")
        .start()
        .unwrap();
    host.policy("[view]\nshared = [\"/data\"]\n");
    host.sh(
        "root",
        "chmod 1777 /data; touch /data/s1 /data/s2; chmod 666 /data/s?",
    )
    .ok();
    let mut stuck: Vec<HostChild> = ["s1", "s2"]
        .iter()
        .map(|name| {
            let write = format!(
                "echo; read -r go; exec dd if=/dev/zero of=/data/{name} bs=1 count=1 conv=notrunc"
            );
            session(&host, "alice", name, &write)
        })
        .collect();
    host.sh("root", "fsfreeze -f /data").ok();
    for session in &mut stuck {
        session.send("go\n");
    }
    let hang = || host.sh("root", "pgrep -r D -x dd").stdout;
    eventually("both hang", || hang().lines().count() == 2);
    host.sh("root", "pkill -KILL -f ^caddis-init").ok();
    host.caddis("alice", &["run", "-e", "idle", "true"])
        .run()
        .ok();
    // Longer than the minute that they share.
    let remove = "timeout -s KILL 100 caddis remove --yes s1 s2 idle";
    let remove = host.sh("alice", remove);
    host.sh("root", "fsfreeze -u /data").ok();
    let remove = remove.exits(125);
    for name in ["s1", "s2"] {
        remove.clone().says(&format!(
            "cannot wait for the end of the former instance of environment \"{name}\""
        ));
    }
    // The one that can end does not suffer for the others.
    assert_eq!(
        remove.stderr.matches("caddis: cannot").count(),
        2,
        "{remove}"
    );
    host.comes_to("^caddis-init", 0);
    let words = ["remove", "--yes", "s1", "s2"];
    host.caddis("alice", &words).run().ok();
}

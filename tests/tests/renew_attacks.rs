//! A new session puts new versions of held files into the environment's overlay, as root. Its user tries to have it write
//! elsewhere, read what is not theirs, or fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild};
use caddis_tests::{Environments, Untouched};

/// A host on which a session of alice's holds `/opt/d/open`.
fn held() -> (Host, HostChild) {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir -p /opt/d; echo old > /opt/d/open; echo old > /opt/d/other",
    )
    .ok();
    let mut session = host.session(
        "alice",
        "exec 5< /opt/d/open 6< /opt/d/other; echo ready; read -r end",
    );
    session.until("ready");
    (host, session)
}

fn change(host: &Host, script: &str) {
    host.sh(
        "root",
        &format!("set -e; cd /opt/d; {script}; caddis admin refresh -q"),
    )
    .ok();
}

#[test]
fn whatever_is_in_the_way_only_costs_the_new_version() {
    let plant = [
        "mkfifo NAME",
        "mkdir NAME",
        "mkdir NAME; echo x > NAME/file",
        "ln -s /home/alice/target NAME",
        "ln -s /etc/passwd NAME",
        "mknod NAME p; chmod 777 NAME",
        "echo mine > NAME; chattr +i NAME || true",
    ];
    for planted in plant {
        let (host, mut session) = held();
        let script = planted.replace("NAME", "/opt/d/.caddis-renewed.open");
        host.inside_root("alice", &script);
        change(&host, "echo new > x; mv x open; echo new > x; mv x other");
        let before = host.files();
        let seen = host.inside("alice", "cat /opt/d/other; cat /opt/d/open");
        assert_eq!(seen.text(), "new\nold", "{planted}: {seen}");
        seen.says("cannot show the new version of /opt/d/open: File exists");
        host.still_has(&before);
        assert!(!host.exists("/home/alice/target"));
        assert!(!session.has_ended());
        session.send("end\n");
        session.wait().ok();
        // And it stays the user's own.
        host.sh("alice", "caddis stop").ok();
        host.inside_root("alice", "ls -d /opt/d/.caddis-renewed.open")
            .ok();
        assert_eq!(host.inside("alice", "cat /opt/d/open").text(), "new");
    }
}

#[test]
fn nothing_is_written_where_a_link_leads() {
    let (host, session) = held();
    host.sh("alice", "mkdir ~/d; echo alice > ~/d/open").ok();
    host.inside_root("alice", "mv /opt/d /opt/e; ln -s /home/alice/d /opt/d")
        .ok();
    change(&host, "echo new > x; mv x open");
    let seen = host
        .inside("alice", "cat /opt/e/open /opt/d/open; ls -A /opt/d")
        .ok();
    assert_eq!(seen.text(), "old\nalice\nopen");
    assert!(!session.has_ended());
}

#[test]
fn no_race_leads_out_of_the_environment() {
    let (host, session) = held();
    host.sh(
        "alice",
        "mkdir ~/d; echo alice > ~/d/open; ln ~/d/open ~/kept",
    )
    .ok();
    // Container root turns the directory into a link to one on the host, and back, all the time.
    let race = "import ctypes, os\n\
        libc = ctypes.CDLL(None)\n\
        os.chdir('/opt')\n\
        os.symlink('/home/alice/d', 'link')\n\
        print('racing', flush=True)\n\
        while True:\n\
        \x20   libc.renameat2(-100, b'd', -100, b'link', 2)\n";
    let mut racer = host
        .caddis("alice", &["root", "python3", "-c", race])
        .spawn();
    racer.until("racing");
    for version in 0..60 {
        change(&host, &format!("echo {version} > x; mv x open"));
        let output = host.inside("alice", "true");
        assert_eq!(output.code(), 0, "{output}");
    }
    let home = host.sh("alice", "ls -A ~/d; cat ~/d/open ~/kept").ok();
    assert_eq!(home.text(), "open\nalice\nalice");
    assert!(!session.has_ended() && !racer.has_ended());
    let base = host.sh("root", "ls -A /opt/d; cat /opt/d/open").ok();
    assert_eq!(base.text(), "open\nother\n59");
}

#[test]
fn what_the_user_puts_there_meanwhile_is_not_lost() {
    let (host, session) = held();
    // Written anew by the user, whenever it is there.
    let race = "import os\n\
        os.chdir('/opt/d')\n\
        print('racing', flush=True)\n\
        number = 0\n\
        while number < 3000:\n\
        \x20   number += 1\n\
        \x20   with open('mine', 'w') as file: file.write(str(number))\n\
        \x20   os.rename('mine', 'open')\n\
        \x20   with open('open') as file: seen = file.read()\n\
        \x20   if seen != str(number): print('lost', number, repr(seen), flush=True)\n\
        \x20   os.unlink('open')\n\
        print('end', flush=True)\n";
    let mut racer = host
        .caddis("alice", &["root", "python3", "-c", race])
        .spawn();
    racer.until("racing");
    for version in 0..30 {
        change(&host, &format!("echo {version} > x; mv x open"));
        host.inside("alice", "true").ok();
    }
    let ended = racer.wait().ok();
    assert!(!ended.stdout.contains("lost"), "{ended}");
    assert!(!session.has_ended());
}

#[test]
fn what_the_base_has_there_is_opened_as_the_user_would() {
    let new = [
        ("mkfifo x", "old"),
        ("mknod x c 1 3", "old"),
        (
            "(umask 077; echo secret > x)",
            "cat: /opt/d/open: No such file or directory",
        ),
        (
            "ln -s /root/secret.txt x",
            "cat: /opt/d/open: Permission denied",
        ),
        ("ln -s /etc/shadow x", "cat: /opt/d/open: Permission denied"),
    ];
    for (make, expected) in new {
        let (host, session) = held();
        change(&host, &format!("{make}; mv x open"));
        let seen = host.inside("alice", "cat /opt/d/open 2>&1; true").ok();
        assert_eq!(seen.text(), expected, "{make}");
        let root = host.inside_root("alice", "cat /opt/d/open 2>&1; true").ok();
        assert!(
            !root.stdout.contains("secret") && !root.stdout.contains("$6$"),
            "{root}"
        );
        assert!(!session.has_ended());
    }
}

/// What a process holds of a layer of ours is none of the base's, however the base's file of that name differs.
#[test]
fn a_stand_in_that_is_held_is_never_outdated() {
    let host = Host::start().unwrap();
    let hold = "exec 5< /etc/shadow 6< /etc/sudoers; echo ready; read -r end";
    let command = host.caddis("alice", &["root", "bash", "-c", hold]);
    let mut session = command.spawn();
    session.until("ready");
    host.sh("root", "touch /opt/x; caddis admin refresh -q")
        .ok();
    let stale = host.sh("root", "caddis admin sessions --stale").ok();
    // A new session would renew what is outdated.
    host.inside_root("alice", "ls /etc/shadow /etc/sudoers")
        .ok();
    assert_eq!(stale.text(), "");
    session.send("end\n");
    session.wait().ok();
}

/// Root looks for what is outdated where the user can put links.
#[test]
fn nothing_of_a_users_hides_who_runs_old_files() {
    let host = Host::start().unwrap();
    let make = "mkdir -p /opt/d/mine; echo old > /opt/d/open; echo x > /opt/d/mine/f; chown -R alice /opt/d/mine";
    host.sh("root", make).ok();
    let hold = "exec 5< /opt/d/open 6< /opt/d/mine/f; echo ready; read -r end";
    let mut session = host.session("alice", hold);
    session.until("ready");
    host.sh("root", "chown alice /opt/d").ok();
    host.sh("alice", "cd /opt/d; mv mine away; ln -s mine mine")
        .ok();
    host.sh("root", "cd /opt/d; echo new > x; mv x open").ok();
    let stale = host.sh("root", "caddis admin sessions --stale").ok();
    assert!(
        stale.stdout.contains("/opt/d/mine/f /opt/d/open\n"),
        "{stale}"
    );
    session.send("end\n");
    session.wait().ok();
}

//! Files of the base that processes of an environment hold open or mapped while the administrator replaces them: who
//! holds them is told, those who hold them notice nothing, and new sessions see the new ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, HostChild};
use caddis_tests::{Environments, State};

/// A host on which alice's session holds `/opt/d/open` and runs `/opt/d/program`.
struct Scene {
    host: Host,
    session: HostChild,
}

const UPPER: &str = "/var/lib/caddis/env/1000/default/@";

impl Scene {
    fn new() -> Scene {
        Scene::with("true")
    }

    /// `before`: what container root has done by then.
    fn with(before: &str) -> Scene {
        let host = Host::start().unwrap();
        host.sh(
            "root",
            "mkdir -p /opt/d; cd /opt/d; echo old > open; echo old > other; cp /usr/bin/sleep program",
        )
        .ok();
        host.inside_root("alice", before).ok();
        let mut session = host.session(
            "alice",
            "exec 5< /opt/d/open; /opt/d/program 1000 & echo ready; \
             while read -r line; do eval \"$line\"; echo done; done",
        );
        session.until("ready");
        host.comes_to("^/opt/d/program 1000", 1);
        Scene { host, session }
    }

    /// Changes the base and refreshes.
    fn change(&self, script: &str) {
        self.host
            .sh("root", &format!("set -e; cd /opt/d; {script}"))
            .ok();
        self.host.sh("root", "caddis admin refresh --quiet").ok();
    }

    /// What a new session sees.
    fn seen(&self, script: &str) -> String {
        let script = format!("cd /opt/d; {{ {script}; }} 2>&1");
        let output = self.host.inside("alice", &script);
        assert!(!output.stderr.contains("caddis"), "{output}");
        output.text().to_owned()
    }

    fn stale(&self) -> String {
        let stale = self.host.sh("root", "caddis admin sessions --stale");
        stale.ok().stdout
    }

    /// The session that holds the files still has the old ones.
    fn holder_notices_nothing(&mut self) {
        self.session.send("cat <&5; exec 5< /dev/fd/5\n");
        assert_eq!(self.session.until("done").trim(), "old\ndone");
        assert!(!self.session.has_ended());
    }

    /// Nothing is left among the user's changes once the environment has been started anew.
    fn nothing_is_left(&self) {
        self.host.sh("alice", "caddis stop; caddis run true").ok();
        let files = format!("find {UPPER}/opt ! -type d | sort");
        assert_eq!(self.host.sh("root", &files).stdout, "");
        assert!(!self.host.exists("/var/lib/caddis/env/1000/default/renewed"));
    }
}

#[test]
fn who_still_runs_the_old_file_is_told() {
    let scene = Scene::new();
    let hold = "exec 5< /opt/d/other; echo ready; read -r x";
    let mut bob = scene.host.session("bob", hold);
    bob.until("ready");
    assert_eq!(scene.stale(), "");
    scene.change("echo new > x; mv x open; cp program x; mv x program; chmod 600 other");
    let stale = scene.stale();
    let lines: Vec<&str> = stale.lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{stale}");
    assert!(
        lines.iter().all(|line| line.starts_with("alice  default")),
        "{stale}"
    );
    assert!(lines[0].ends_with("bash            /opt/d/open"), "{stale}");
    let program = "/opt/d/program  /opt/d/open /opt/d/program";
    assert!(lines[1].ends_with(program), "{stale}");
    let json = scene
        .host
        .sh("root", "caddis admin sessions --stale --json")
        .ok();
    assert!(json.stdout.contains("\"/opt/d/program\""), "{json}");
    let all = scene.host.sh("root", "caddis admin sessions").ok();
    assert_eq!(all.stdout.lines().count(), 3, "{all}");
    for line in ["sessions", "sessions --stale"] {
        let refused = scene.host.sh("alice", &format!("caddis admin {line}"));
        refused.exits(125).says("only root may do that");
    }
    assert!(!bob.has_ended());
}

#[test]
fn a_new_session_sees_the_new_file_that_another_one_holds() {
    let mut scene = Scene::new();
    scene.change("echo new > x; mv x open; (cat program; echo) > x; chmod 755 x; mv x program");
    assert_eq!(scene.seen("cat open"), "new");
    let longer = "[ $(stat -c %s program) -gt $(stat -c %s /usr/bin/sleep) ] && echo longer";
    assert_eq!(scene.seen(longer), "longer");
    assert_eq!(
        scene.seen("stat -c %U:%a program; ./program 0; echo $?"),
        "root:755\n0"
    );
    scene.holder_notices_nothing();
    assert!(
        scene.stale().contains("  /opt/d/open /opt/d/program\n"),
        "{}",
        scene.stale()
    );
    // And the one after that; the administrator keeps the former one.
    scene.change("mv open open.old; echo newer > open");
    assert_eq!(scene.seen("cat open open.old"), "newer\nnew");
    scene.holder_notices_nothing();
    scene.change("echo newest > x; mv x open");
    assert_eq!(scene.seen("cat open"), "newest");
    scene.holder_notices_nothing();
    assert_eq!(scene.host.inside("bob", "cat /opt/d/open").text(), "newest");
    scene.nothing_is_left();
}

#[test]
fn a_new_session_does_not_see_what_is_gone_or_closed() {
    let mut scene = Scene::new();
    scene.change("rm open");
    assert_eq!(
        scene.seen("cat open; ls"),
        "cat: open: No such file or directory\nother\nprogram"
    );
    scene.holder_notices_nothing();
    scene.change("echo again > open");
    assert_eq!(scene.seen("cat open"), "again");
    scene.change("(umask 077; echo secret > x); mv x open");
    assert_eq!(
        scene.seen("cat open"),
        "cat: open: No such file or directory"
    );
    scene.holder_notices_nothing();
    assert_eq!(scene.host.sh("alice", "caddis diff").ok().stdout, "");
    scene.change("chmod 644 open");
    assert_eq!(scene.seen("cat open"), "secret");
    scene.nothing_is_left();
}

#[test]
fn a_new_session_sees_the_link_that_a_file_has_become() {
    let mut scene = Scene::new();
    scene.change("ln -sf other open");
    assert_eq!(scene.seen("readlink open; cat open"), "other\nold");
    scene.holder_notices_nothing();
    scene.change("echo new > x; mv x other; ln -sf program open");
    assert_eq!(scene.seen("readlink open"), "program");
    scene.nothing_is_left();
}

#[test]
fn a_file_that_is_kept_under_another_name_is_renewed_as_well() {
    let mut scene = Scene::new();
    scene.change("mv open open.old; echo new > open");
    assert_eq!(scene.seen("cat open open.old"), "new\nold");
    scene.holder_notices_nothing();
    scene.nothing_is_left();
}

#[test]
fn what_a_user_makes_of_the_new_file_is_the_users() {
    let scene = Scene::new();
    scene.change("echo new > x; mv x open");
    assert_eq!(scene.seen("cat open"), "new");
    scene
        .host
        .inside_root("alice", "echo mine >> /opt/d/open")
        .ok();
    scene.change("echo newer > x; mv x open");
    assert_eq!(scene.seen("cat open"), "new\nmine");
    assert_eq!(
        scene.host.sh("alice", "caddis diff").ok().stdout,
        "M  /opt/d/open (changed below since)\n"
    );
    scene.host.sh("alice", "caddis stop").ok();
    assert_eq!(scene.seen("cat open"), "new\nmine");
    // Removed by the user: it stays removed.
    let scene = Scene::new();
    scene.change("echo new > x; mv x open");
    assert_eq!(scene.seen("cat open"), "new");
    scene.host.inside_root("alice", "rm /opt/d/open").ok();
    scene.host.sh("alice", "caddis stop").ok();
    assert_eq!(scene.seen("ls"), "other\nprogram");
}

#[test]
fn what_the_user_has_renamed_is_left_alone() {
    // The file that is held, below a directory that is the user's to name.
    let mut scene =
        Scene::with("mv /opt/d /opt/e; mkdir /opt/d; cp /opt/e/* /opt/d; rm /opt/d/other");
    let held = "exec 6< /opt/e/other; echo held";
    scene.session.send(&format!("{held}\n"));
    scene.session.until("held");
    scene.change("echo new > x; mv x other; mkdir /opt/e; echo host > /opt/e/other");
    assert_eq!(scene.seen("cat ../e/other"), "old");
    assert_eq!(scene.seen("cat open; ls"), "old\nopen\nprogram");
    // A file that was moved away.
    let scene = Scene::new();
    scene
        .host
        .inside_root("alice", "mv /opt/d/open /opt/d/moved")
        .ok();
    scene.change("echo new > x; mv x open; echo host > moved");
    assert_eq!(scene.seen("cat moved; ls"), "old\nmoved\nother\nprogram");
}

#[test]
fn a_session_that_is_killed_while_it_renews_loses_nothing() {
    let scene = Scene::new();
    let mut version = 0;
    let mut killed = 0;
    for call in [
        "renameat",
        "openat",
        "fchmod",
        "fsetxattr",
        "renameat2",
        "unlinkat",
    ] {
        for number in 1.. {
            version += 1;
            scene.change(&format!("echo {version} > x; mv x open"));
            let run = ["run", "cat", "/opt/d/open"];
            let run = scene
                .host
                .caddis_killed_at("alice", call, number, &run)
                .run();
            if run.code() == 0 {
                assert_eq!(run.text(), version.to_string());
                break;
            }
            killed += 1;
            assert_eq!(
                scene.seen("cat open"),
                version.to_string(),
                "{call} {number}"
            );
            assert_eq!(
                scene.seen("ls -A"),
                "open\nother\nprogram",
                "{call} {number}"
            );
        }
    }
    assert!(killed > 20, "{killed}");
    assert!(scene.host.first_process(1000, "default").is_some());
    scene.nothing_is_left();
}

#[test]
fn other_file_systems_of_the_base_are_renewed_as_well() {
    for kind in [FileSystem::Xfs, FileSystem::Btrfs] {
        let host = Host::builder()
            .disk("/data/disk", kind, "400M")
            .start()
            .unwrap();
        let text = host.sh(
            "root",
            "cd /data/disk; mkdir d; echo old > d/f; cp /usr/bin/sleep d/program",
        );
        text.ok();
        let mut session = host.session(
            "alice",
            "exec 5< /data/disk/d/f; /data/disk/d/program 1000 & echo ready; read -r end",
        );
        session.until("ready");
        host.comes_to("^/data/disk/d/program 1000", 1);
        host.sh("root", "cd /data/disk/d; echo new > x; mv x f; cp program x; echo >> x; mv x program; caddis admin refresh -q")
            .ok();
        let stale = host.sh("root", "caddis admin sessions --stale").ok();
        let program = "/data/disk/d/program  /data/disk/d/f /data/disk/d/program\n";
        assert!(stale.stdout.contains(program), "{kind:?} {stale}");
        let seen = "cat /data/disk/d/f; cmp -s /data/disk/d/program /usr/bin/sleep || echo differs";
        assert_eq!(
            host.inside("alice", seen).text(),
            "new\ndiffers",
            "{kind:?}"
        );
        assert!(!session.has_ended());
    }
}

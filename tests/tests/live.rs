//! What the administrator changes on the host shows at once in environments that run, after a refresh, save where the
//! user has a version of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, State};

/// What of the base's directory `/opt/d` the environment has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directory {
    /// The user has changed nothing in it.
    Untouched,
    /// The user has put a file of their own there, so that it is merged of two layers.
    Merged,
    /// The user has a version of the very file that changes.
    Customised,
}

const ALL: [Directory; 3] = [
    Directory::Untouched,
    Directory::Merged,
    Directory::Customised,
];

/// A host with an environment in which a session runs, and `/opt/d` with `file`, `exec`, `dir/inner`.
struct Scene {
    host: Host,
    kind: Directory,
    _session: caddis_lab::HostChild,
}

impl Scene {
    fn new(kind: Directory) -> Scene {
        let host = Host::start().unwrap();
        host.sh("root", "mkdir -p /opt/d/dir; cd /opt/d; echo old > file; echo old > dir/inner; printf '#!/bin/sh\\necho old\\n' > exec; chmod 755 exec")
            .ok();
        let mut session = host.session("alice", "echo ready; read -r end");
        session.until("ready");
        match kind {
            Directory::Untouched => {}
            Directory::Merged => {
                host.inside_root("alice", "echo alice > /opt/d/own").ok();
            }
            Directory::Customised => {
                host.inside_root("alice", "echo alice > /opt/d/file").ok();
            }
        }
        let scene = Scene {
            host,
            kind,
            _session: session,
        };
        // All of it is looked up, what is not there as well.
        scene.look();
        scene
    }

    /// The tree as alice sees it, a line an entry: type, mode, name, and what is in it.
    fn look(&self) -> String {
        let script = "cd /opt/d; cat later dir2/inner 2> /dev/null; ls -lR > /dev/null; ./exec > /dev/null 2>&1; \
             find . | LC_ALL=C sort | while read -r f; do \
             stat -c '%F %a %n' $f | tr '\\n' ' '; \
             if [ -L $f ]; then readlink $f; elif [ -f $f ]; then cat $f 2>&1 | tr '\\n' ' '; echo; else echo; fi; done";
        self.host.inside("alice", script).ok().stdout
    }

    /// Changes the base and refreshes.
    fn change(&self, script: &str) {
        self.host
            .sh("root", &format!("set -e; cd /opt/d; {script}"))
            .ok();
        self.host.sh("root", "caddis admin refresh --quiet").ok();
    }

    /// The line about an entry of what alice sees.
    fn line(&self, name: &str) -> Option<String> {
        let name = format!(" {name} ");
        let all = self.look();
        let found = all.lines().find(|line| line.contains(&name));
        found.map(|line| line.trim().to_owned())
    }
}

/// For each kind of directory: the change, then what is seen of `entry`; `own` where the user has a version of it.
fn seen_everywhere(change: &str, entry: &str, expected: Option<&str>, own: Option<&str>) {
    for kind in ALL {
        let scene = Scene::new(kind);
        scene.change(change);
        let expected = match (kind, own) {
            (Directory::Customised, Some(own)) => Some(own),
            _ => expected,
        };
        let seen = scene.line(entry);
        assert_eq!(seen.as_deref(), expected, "{kind:?}: {}", scene.look());
        if scene.kind == Directory::Merged {
            let own = scene.line("./own");
            assert_eq!(own.as_deref(), Some("regular file 644 ./own alice"));
        }
    }
}

const OWN: Option<&str> = Some("regular file 644 ./file alice");

#[test]
fn a_file_that_was_looked_for_in_vain_and_is_added() {
    let expected = Some("regular file 644 ./later new");
    seen_everywhere("echo new > later", "./later", expected, None);
}

#[test]
fn a_file_that_is_replaced_by_a_rename() {
    let expected = Some("regular file 644 ./file new");
    seen_everywhere("echo new > x; mv x file", "./file", expected, OWN);
}

#[test]
fn a_file_that_is_rewritten_in_place() {
    let expected = Some("regular file 644 ./file new and longer");
    seen_everywhere("echo new and longer > file", "./file", expected, OWN);
}

#[test]
fn a_file_that_is_removed() {
    seen_everywhere("rm file", "./file", None, OWN);
}

#[test]
fn a_file_that_becomes_a_directory() {
    let change = "rm file; mkdir file; echo new > file/inner";
    seen_everywhere(change, "./file", Some("directory 755 ./file"), OWN);
    seen_everywhere(
        "rm exec; mkdir exec; echo new > exec/inner",
        "./exec/inner",
        Some("regular file 644 ./exec/inner new"),
        None,
    );
}

#[test]
fn a_directory_that_becomes_a_file() {
    let expected = Some("regular file 644 ./dir new");
    seen_everywhere("rm -r dir; echo new > dir", "./dir", expected, None);
}

#[test]
fn a_file_that_becomes_a_link() {
    let expected = Some("symbolic link 777 ./file dir/inner");
    seen_everywhere("ln -sf dir/inner file", "./file", expected, OWN);
}

#[test]
fn permissions_that_change() {
    let expected = Some("regular file 444 ./file old");
    seen_everywhere("chmod 444 file", "./file", expected, OWN);
    seen_everywhere("chmod 700 dir", "./dir/inner", None, None);
}

#[test]
fn a_file_that_becomes_unreadable_is_lost() {
    let expected = Some("regular file 600 ./file cat: ./file: Permission denied");
    seen_everywhere("chmod 600 file", "./file", expected, OWN);
    // The same by a new file in its place.
    seen_everywhere(
        "(umask 077; echo new > x); mv x file",
        "./file",
        expected,
        OWN,
    );
}

#[test]
fn a_directory_that_is_renamed() {
    let expected = Some("regular file 644 ./dir2/inner old");
    seen_everywhere("mv dir dir2", "./dir2/inner", expected, None);
    seen_everywhere("mv dir dir2", "./dir", None, None);
}

#[test]
fn the_processes_inside_notice_nothing_of_a_refresh() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir -p /opt/d; for i in $(seq 200); do echo $i > /opt/d/$i; done",
    )
    .ok();
    // Reads, writes, copies up, renames, lists, executes, keeps files and a directory open, all the time.
    let work = "set -e; cd /opt/d; exec 5< 1 6> own; i=0; echo ready; \
         while [ ! -e /tmp/end ]; do i=$((i+1)); n=$((i % 199 + 2)); \
         [ $(cat $n) = $n ]; echo $i >&6; echo x > new; mv new new2; rm new2; \
         [ $(ls | wc -l) -ge 200 ]; cp $n $n.copy; cmp $n $n.copy; rm $n.copy; chmod 640 $n; /bin/true; [ . -ef /opt/d ]; \
         done; [ $(cat <&5) = 1 ]; [ $(wc -l < own) = $i ]; echo $i rounds";
    let mut sessions: Vec<_> = ["alice", "bob"]
        .map(|user| host.caddis(user, &["root", "bash", "-c", work]).spawn())
        .into();
    for session in &mut sessions {
        session.until("ready");
    }
    host.sh(
        "root",
        "for i in $(seq 300); do caddis admin refresh -q; done",
    )
    .ok();
    for (user, session) in ["alice", "bob"].into_iter().zip(sessions) {
        host.inside(user, "touch /tmp/end").ok();
        let ended = session.wait().ok();
        assert!(ended.stdout.contains(" rounds"), "{ended}");
    }
}

#[test]
fn a_refresh_needs_nothing_of_the_instances_that_it_cannot_have() {
    let host = Host::start().unwrap();
    host.sh("root", "echo old > /opt/f").ok();
    let sessions: Vec<_> = ["alice", "bob"]
        .map(|user| {
            let mut session = host.session(user, "cat /opt/f; read -r end");
            session.until("old");
            session
        })
        .into();
    host.inside_root("carol", "true").ok();
    // One of the three is killed, and one of the records is no record.
    let carol = host.first_process(1002, "default").unwrap();
    host.sh("root", &format!("kill -9 {carol}; echo nonsense > /run/caddis/1002/default/init; mkdir -p /run/caddis/7/no.thing /run/caddis/x"))
        .ok();
    host.sh("root", "echo new > /opt/n; mv /opt/n /opt/f").ok();
    let said = host.sh("root", "caddis admin refresh").ok();
    assert_eq!(
        said.text(),
        "Refreshed 2 running environments; the veil is as it was."
    );
    for user in ["alice", "bob"] {
        assert_eq!(host.inside(user, "cat /opt/f").text(), "new");
    }
    assert!(sessions.iter().all(|session| !session.has_ended()));
}

#[test]
fn a_refresh_that_is_killed_anywhere_is_made_good_by_the_next() {
    let host = Host::start().unwrap();
    host.sh("root", "echo 0 > /opt/f").ok();
    // With a package database of their own, so that there is one to merge.
    host.inside_root("alice", "apt-get install -y -q cowsay")
        .ok();
    let mut session = host.session("alice", "cat /opt/f; read -r end");
    session.until("0");
    let (mut done, mut killed) = (0_usize, 0);
    let calls = [
        "mkdirat",
        "openat",
        "renameat2",
        "fsconfig",
        "flock",
        "clone3,clone,fork",
    ];
    for call in calls {
        for number in [1, 3, 8] {
            let version = format!("{call} {number}");
            // Something of each kind to do: a name, a stand-in of the veil, a package (without the hook's refresh).
            let package = ["-i /srv/repo/tree_*.deb", "-r tree"][done % 2];
            done += 1;
            let change = format!(
                "set -e; echo '{version}' > /opt/n; mv /opt/n /opt/f; install -m 600 /dev/null '/etc/secret {version}'; \
                 DPKG_FRONTEND_LOCKED=no-hook dpkg {package}"
            );
            host.sh("root", &change).ok();
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let strace = ["strace", "-f", "-o", "/dev/null", "-e", &inject];
            let refresh = ["caddis", "admin", "refresh", "--full", "--quiet"];
            let output = host.run("root", &[&strace[..], &refresh].concat());
            killed += usize::from(output.code() != 0);
            host.sh("root", "caddis admin refresh --full").ok();
            assert_eq!(host.inside("alice", "cat /opt/f").text(), version);
            let seen =
                "dpkg-query -W -f '${Status}' tree 2> /dev/null | grep -c ' installed' || true";
            let outside = host.sh("root", seen).ok().stdout;
            assert_eq!(host.inside("alice", seen).stdout, outside, "{version}");
        }
    }
    assert!(killed > 8, "{killed}");
    host.inside_root("alice", "dpkg --audit && apt-get check -q")
        .ok();
    assert!(!session.has_ended());
    // One generation of the veil that runs, the newest, and nothing half-made.
    let left = host
        .sh("root", "ls /var/lib/caddis/veil /var/lib/caddis/packages")
        .ok();
    assert!(!left.stdout.contains(".new"), "{left}");
    // What only root can read has its stand-in, which is none of its name.
    drop(session);
    host.sh("alice", "caddis stop").ok();
    let secrets = "ls /etc | grep -c secret";
    assert_ne!(host.sh("root", secrets).ok().text(), "0");
    assert_eq!(host.inside("alice", secrets).text(), "0");
}

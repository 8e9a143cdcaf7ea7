//! `caddis revert` gives up the user's own version of files, directories and removals, with and without sessions, and
//! the base's is seen at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;
use caddis_tests::revert::Scene;

/// Each kind of change, the path to give up, and the answer.
const CHANGES: [(&str, &str, &str); 16] = [
    ("echo mine > file", "file", "M  /opt/d/file"),
    ("echo mine > new", "new", "A  /opt/d/new"),
    ("rm file", "file", "D  /opt/d/file"),
    ("chmod 600 file", "file", "M  /opt/d/file"),
    (
        "rm file; mkdir file; echo x > file/in",
        "file",
        "T  /opt/d/file",
    ),
    ("rm -r kind; echo x > kind", "kind", "T  /opt/d/kind"),
    ("rm -r gone", "gone", "D  /opt/d/gone"),
    (
        "rm -r gone; mkdir gone; echo x > gone/file; echo y > gone/own",
        "gone",
        "M  /opt/d/gone  (2 files)",
    ),
    (
        "mkdir -p new/a/b; echo x > new/a/b/c; echo y > new/z",
        "new",
        "A  /opt/d/new  (2 files)",
    ),
    ("ln -sfn dir link", "link", "M  /opt/d/link"),
    ("chmod 700 dir", "dir", "P  /opt/d/dir"),
    (
        "chown alice:proj dir; chmod 3775 dir",
        "dir",
        "P  /opt/d/dir",
    ),
    (
        "mv gone moved",
        "moved gone",
        "A  /opt/d/moved\nD  /opt/d/gone",
    ),
    (
        "mv dir/deep dir/moved; echo x > dir/moved/file; rm dir/one",
        "dir",
        "A  /opt/d/dir/moved\nD  /opt/d/dir/deep\nD  /opt/d/dir/one",
    ),
    (
        "ln file hard; echo mine >> hard",
        "file hard",
        "A  /opt/d/hard\nM  /opt/d/file",
    ),
    (
        "mkfifo new; rm link; mkfifo link",
        "new link",
        "A  /opt/d/new\nT  /opt/d/link",
    ),
];

fn each_kind(running: bool) {
    let scene = Scene::new(running);
    scene.is_the_base("before");
    for (change, paths, answer) in CHANGES {
        scene.change(change);
        assert_ne!(scene.look(), scene.base(), "{change}");
        let paths: Vec<String> = paths.split(' ').map(|p| format!("/opt/d/{p}")).collect();
        let output = scene.revert(&format!("--yes {}", paths.join(" "))).ok();
        let mut lines: Vec<&str> = output.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines.join("\n"), answer, "{change}");
        scene.is_the_base(change);
        let again = scene.revert("--all").ok();
        assert_eq!(again.stdout, "", "{change}: something was left");
    }
}

#[test]
fn each_kind_of_change_while_nothing_runs() {
    each_kind(false);
}

#[test]
fn each_kind_of_change_while_a_session_runs() {
    each_kind(true);
}

#[test]
fn what_is_not_named_stays() {
    for running in [false, true] {
        let scene = Scene::new(running);
        scene.change("echo mine > file; echo mine > dir/one; echo new > dir/new; rm dir/two; mkdir other; echo x > other/x");
        scene.revert("--yes /opt/d/dir/one /opt/d/other").ok();
        let seen = scene
            .host
            .inside("alice", "cd /opt/d; cat file dir/*; ls -d other dir/two")
            .stdout;
        assert_eq!(seen, "mine\nnew\none\n");
        // Another environment is not touched at all.
        scene
            .host
            .sh("alice", "caddis new other; caddis revert -e other --all")
            .ok();
    }
}

#[test]
fn it_asks_before_more_than_one_file_is_lost() {
    let scene = Scene::new(true);
    scene.change("echo mine > file; echo mine > dir/one; rm dir/two");
    let refused = scene.revert("--all").exits(125);
    assert!(
        refused.stderr.contains("no terminal to ask on"),
        "{refused}"
    );
    let dry = scene.revert("--all --dry-run").ok();
    let mut lines: Vec<&str> = dry.stdout.lines().collect();
    lines.sort_unstable();
    let all = ["D  /opt/d/dir/two", "M  /opt/d/dir/one", "M  /opt/d/file"];
    assert_eq!(lines, all);
    let argv = ["caddis", "revert", "--all"];
    let mut terminal = scene.host.pty("alice", &argv);
    terminal.expect("Give up 2 files of yours in 3 places? [y/N] ");
    terminal.send("n\n");
    terminal.wait().exits(1);
    assert_eq!(scene.revert("--all -n").ok().stdout.lines().count(), 3);
    // What was changed after the question is not part of the answer.
    let mut terminal = scene.host.pty("alice", &argv);
    terminal.expect("[y/N] ");
    scene.change("echo mine > later");
    terminal.send("y\n");
    let output = terminal.wait().exits(125);
    assert!(
        output.stdout.contains("there were 2 when you were asked"),
        "{output}"
    );
    assert_eq!(
        scene.host.inside("alice", "cat /opt/d/file").stdout,
        "mine\n"
    );
    scene.host.inside_root("alice", "rm /opt/d/later").ok();
    let mut terminal = scene.host.pty("alice", &argv);
    terminal.expect("[y/N] ");
    terminal.send("y\n");
    terminal.wait().exits(0);
    scene.is_the_base("after yes");
    // One file, and what was removed, is given up without a question.
    scene.change("echo mine > file; rm dir/two");
    assert_eq!(scene.revert("-q --all").ok().stdout, "");
    scene.is_the_base("after one file");
}

#[test]
fn paths_are_those_inside_and_links_are_not_followed() {
    let scene = Scene::new(true);
    scene.change("echo mine > file; rm -r gone; rm -r kind; mkdir kind; ln -s /opt/d own; echo x > kind/own; mv dir renamed");
    let refused = |path: &str, why: &str| {
        let output = scene.revert(path).exits(125);
        assert!(output.stderr.contains(why), "{path}: {output}");
    };
    refused("/bin/ls", "symbolic link, which is not followed");
    refused(
        "/opt/d/own/file",
        "you have put something else at /opt/d/own, above it",
    );
    refused("/opt/d/gone/file", "you removed /opt/d/gone, above it");
    refused("/opt/d/kind/file", "is your own, and hides the base's");
    refused(
        "/opt/d/dir",
        "its directory is now /opt/d/renamed, and cannot be seen twice",
    );
    // Nothing was done for the other path either.
    refused("/opt/d/file /opt/d/dir", "cannot be seen twice");
    assert_eq!(
        scene.host.inside("alice", "cat /opt/d/file").stdout,
        "mine\n"
    );
    // What is the user's own in such a directory can be given up.
    scene.revert("/opt/d/kind/own").ok();
    scene
        .host
        .inside(
            "alice",
            "test ! -e /opt/d/kind/own -a ! -e /opt/d/kind/file",
        )
        .ok();
    // Relative ones count from the current directory.
    scene
        .host
        .sh("alice", "cd /opt/d/dir; caddis revert ../file")
        .ok();
    assert_eq!(
        scene.host.inside("alice", "cat /opt/d/file").stdout,
        "base\n"
    );
    // Nothing of the user's there.
    assert_eq!(
        scene
            .revert("/opt/d/file /usr/bin/ls /nowhere /run/x /home/alice")
            .ok()
            .stdout,
        ""
    );
    scene.revert("--all --yes").ok();
    scene.is_the_base("after all");
}

/// File systems of their own have changes of their own.
#[test]
fn other_file_systems() {
    let host = Host::builder()
        .disk("/data", caddis_lab::FileSystem::Ext4, "40M")
        .start()
        .unwrap();
    host.sh(
        "root",
        "mkdir /data/d; echo base > /data/d/file; echo base > /opt/file",
    )
    .ok();
    for running in [false, true] {
        let session = running.then(|| {
            let mut session = host.session("alice", "echo ready; read -r end");
            session.until("ready");
            session
        });
        host.inside_root("alice", "echo mine > /data/d/file; echo mine > /opt/file; exec 3< /data/d/file; echo x > /data/new").ok();
        if !running {
            host.sh("alice", "caddis stop").ok();
        }
        host.sh("alice", "caddis revert --yes /data").ok();
        host.inside(
            "alice",
            "test $(cat /data/d/file) = base -a $(cat /opt/file) = mine -a ! -e /data/new",
        )
        .ok();
        host.sh("alice", "caddis revert --all").ok();
        host.inside("alice", "test $(cat /opt/file) = base").ok();
        drop(session);
    }
}

/// What veil and front show in the place of the host's files comes back as well.
#[test]
fn what_is_not_the_hosts_own() {
    let look = "cd /; ls -ldn etc/shadow etc/sudoers etc/sudoers.d var/tmp home root; ls -lnA root etc/sudoers.d var/tmp; cat etc/sudoers; wc -l < etc/shadow";
    for running in [false, true] {
        let host = Host::start().unwrap();
        let _session = running.then(|| {
            let mut session = host.session("alice", "echo ready; read -r end");
            session.until("ready");
            session
        });
        let seen = || {
            let lines = host.inside_root("alice", look).stdout;
            let lines: Vec<String> = lines.lines().map(without_times).collect();
            if !running {
                host.sh("alice", "caddis stop").ok();
            }
            lines
        };
        let before = seen();
        host.inside_root("alice", "set -e; cd /; echo x > etc/shadow; rm -r etc/sudoers etc/sudoers.d; mkdir etc/sudoers; chmod 700 var/tmp; touch var/tmp/x root/x; chmod 755 root; echo x >> etc/gshadow; rm etc/gshadow; mkdir etc/gshadow home/bob").ok();
        assert_ne!(seen(), before);
        host.sh("alice", "caddis revert --all --yes").ok();
        assert_eq!(seen(), before, "running: {running}");
        assert_eq!(host.sh("alice", "caddis revert --all -n").ok().stdout, "");
    }
}

/// A line of `ls -ln` without what changes with what was in a directory.
fn without_times(line: &str) -> String {
    let fields: Vec<&str> = line.split_whitespace().collect();
    match fields[..] {
        [mode, _, uid, gid, .., name] if mode.starts_with('d') => {
            format!("{mode} {uid} {gid} {name}")
        }
        _ => line.to_owned(),
    }
}

/// A package that was installed is gone with all its files, and the package manager is content.
#[test]
fn a_package() {
    let scene = Scene::new(true);
    let list = "cat /var/lib/dpkg/status | md5sum; ls -A /usr/bin /usr/lib /usr/share /etc /var/lib/dpkg/info | md5sum";
    let before = scene.host.inside("alice", list).ok().stdout;
    scene
        .host
        .inside_root(
            "alice",
            "apt-get install -y cowsay && apt-get install -y lab-tool",
        )
        .ok();
    scene.host.inside("alice", "/usr/games/cowsay hi").ok();
    let dry = scene.revert("--all -n").ok().stdout;
    assert!(dry.lines().count() > 20, "{dry}");
    scene.revert("--all --yes -q").ok();
    assert_eq!(scene.revert("--all -n").ok().stdout, "");
    assert_eq!(scene.host.inside("alice", list).ok().stdout, before);
    scene
        .host
        .inside_root(
            "alice",
            "dpkg --audit && apt-get check && ! test -e /usr/games/cowsay",
        )
        .ok();
}

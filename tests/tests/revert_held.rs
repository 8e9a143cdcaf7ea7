//! `caddis revert` of what processes hold: they go on with their own, everybody else sees the base's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_tests::revert::Scene;
use caddis_tests::{Environments, State};

/// A process that has a file open or mapped keeps its own version; whoever looks from then on sees the base's.
#[test]
fn files_that_processes_hold() {
    let scene = Scene::new(true);
    // Opened before the user had a version, and opened since.
    let mut early = scene.host.session(
        "alice",
        "exec 3< /opt/d/file; echo ready; read -r go; cat <&3; read -r end",
    );
    assert_eq!(early.line(), "ready");
    scene.change("echo mine > file; echo mine > dir/one; cp /bin/sleep exec; echo x > new; rm -r kind; echo x > kind; rm link; mkdir link");
    // The kernel's memory of the base's files ends here, but for the one that is open.
    scene.host.sh("root", "caddis admin refresh --quiet").ok();
    let script = "exec 3< /opt/d/dir/one 4< /opt/d/new 5< /opt/d/kind; cd /opt/d/link; /opt/d/exec 1000 & echo ready; read -r go; cat <&3; ls /; read -r end";
    let mut late = scene.host.session("alice", script);
    assert_eq!(late.line(), "ready");
    scene.host.comes_to("^/opt/d/exec 1000", 1);
    let output = scene.revert("--all --yes").ok();
    assert!(
        output
            .stdout
            .contains("M  /opt/d/file  (a copy of the base's"),
        "{output}"
    );
    assert!(!output.stdout.contains("still yours"), "{output}");
    assert_eq!(output.stdout.matches("a copy").count(), 1, "{output}");
    scene.is_the_base("while held");
    late.send("go\n");
    assert_eq!(late.line(), "mine");
    early.send("go\n");
    assert_eq!(early.line(), "mine");
    early.wait();
    late.wait();
    scene.host.end_all("exec");
    scene.revert("--all --yes").ok();
    scene.is_the_base("when nobody holds them any more");
    assert_eq!(scene.revert("--all").ok().stdout, "");
}

/// A file of two names is one file: that nobody holds it by one of them says nothing of the other.
#[test]
fn a_file_of_two_names_that_is_held_by_one() {
    for held in ["file", "two"] {
        let scene = Scene::new(true);
        scene.change("ln file two");
        let script = format!("exec 3< /opt/d/{held}; echo ready; read -r end");
        let mut holder = scene.host.session("alice", &script);
        assert_eq!(holder.line(), "ready");
        scene.change("echo mine > file");
        scene.revert("--all --yes").ok();
        scene.is_the_base(held);
    }
}

/// What the kernel cannot forget as long as a process holds it is a copy of the base's for everybody else, which
/// follows the base and is no change.
#[test]
fn the_copy_of_the_bases_follows_the_base() {
    let scene = Scene::new(true);
    let holding = "exec 3< /opt/d/file; echo ready; read -r end";
    let mut early = scene.host.session("alice", holding);
    assert_eq!(early.line(), "ready");
    scene.change("echo mine > file");
    let output = scene.revert("/opt/d/file").ok();
    assert!(output.stdout.contains("(a copy of the base's"), "{output}");
    assert_eq!(scene.host.sh("alice", "caddis diff").ok().stdout, "");
    scene
        .host
        .sh(
            "root",
            "cd /opt/d; echo newer > x; mv x file; caddis admin refresh -q",
        )
        .ok();
    let seen = || scene.host.inside("alice", "cat /opt/d/file").ok().stdout;
    assert_eq!(seen(), "newer\n");
    drop(early);
    scene.host.sh("alice", "caddis stop").ok();
    assert_eq!(seen(), "newer\n");
    let upper = "/var/lib/caddis/env/1000/default/@/opt/d/file";
    assert!(!scene.host.exists(upper));
}

/// A directory that processes are in is replaced where it hides the base's, and stays where it shows it.
#[test]
fn directories_that_processes_are_in() {
    let scene = Scene::new(true);
    scene.change("rm -r gone; mkdir gone; echo own > gone/own; echo mine > dir/one; chmod 700 dir; echo x > dir/new; mkdir new; mv kind moved");
    let inside = "cd /opt/d/gone; (cd ../dir; exec sleep 1000) & (cd ../new; exec sleep 1000) & (cd ../moved; exec sleep 1000) & echo ready; read -r go; cat own; read -r end";
    let mut session = scene
        .host
        .caddis("alice", &["root", "bash", "-c", inside])
        .spawn();
    assert_eq!(session.line(), "ready");
    scene.host.comes_to("^sleep 1000", 3);
    // The kernel does not show /opt/d/kind while somebody is in what it was renamed to.
    let output = scene.revert("--all --yes").exits(1);
    assert!(
        output
            .stdout
            .contains("D  /opt/d/kind  (still yours: it is in use)"),
        "{output}"
    );
    assert_eq!(output.stdout.matches("still yours").count(), 1, "{output}");
    let look = scene.look();
    let without = |text: &str| {
        text.lines()
            .filter(|line| !line.contains("./kind"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(without(&look), without(&scene.base()));
    // Who was in a directory that was replaced finds there what there was.
    session.send("go\n");
    assert_eq!(session.line(), "own");
    scene.host.end_all("sleep");
    session.wait();
    scene.revert("--all").ok();
    scene.is_the_base("when nobody is in them any more");
}

/// A list of a directory that somebody has open is the kernel's to keep; it must not be kept.
#[test]
fn an_open_directory_lists_what_came_back() {
    let scene = Scene::new(true);
    scene.change("rm dir/one; echo x > dir/new");
    let mut session = scene.host.session(
        "alice",
        "exec 3< /opt/d/dir; python3 -c 'import os; os.listdir(3)'; echo ready; read -r end",
    );
    session.until("ready");
    scene.host.inside("alice", "ls /opt/d/dir").ok();
    scene.revert("--all").ok();
    scene.is_the_base("while the directory is open");
}

//! Copies of the base's files that `caddis revert` has to leave where processes hold the user's: they are nobody's change as
//! long as the user lets them be, and the user's from then on. And what the kernel cannot show yet is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::HostChild;
use caddis_tests::revert::Scene;
use caddis_tests::{Environments, State};

/// A scene with copies of the base's at these names, each held by a process.
fn with_copies(names: &[&str]) -> (Scene, HostChild) {
    let scene = Scene::new(true);
    let held: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(index, name)| format!("{}< /opt/d/{name}", index + 3))
        .collect();
    let holding = format!("exec {}; echo ready; read -r end", held.join(" "));
    let mut holder = scene.host.session("alice", &holding);
    assert_eq!(holder.line(), "ready");
    for name in names {
        scene.change(&format!("echo mine > {name}"));
    }
    let output = scene.revert("--all --yes").ok();
    let copies = output.stdout.matches("(a copy of the base's").count();
    assert_eq!(copies, names.len(), "{output}");
    scene.is_the_base("with copies");
    (scene, holder)
}

/// Attributes, owner, links, and content that leaves size and time as they were.
#[test]
fn whatever_the_user_changes_of_a_copy_is_the_users() {
    for (change, look) in [
        ("setfattr -n user.x -v 1 file", "getfattr -dm- file"),
        ("setfacl -m u:alice:r file", "getfacl -p file"),
        ("setcap cap_kill+ep file", "getcap file"),
        ("chmod 600 file", "stat -c %a file"),
        ("chown daemon file", "stat -c %U file"),
        (
            "cp -p file /tmp/was; echo mine > file; touch -r /tmp/was file",
            "cat file",
        ),
        ("ln file other", "stat -c %h file"),
    ] {
        let (scene, holder) = with_copies(&["file"]);
        let look = format!("cd /opt/d; {look} 2>&1");
        let seen = || scene.host.inside_root("alice", &look).ok().stdout;
        let before = seen();
        scene.change(change);
        let mine = seen();
        assert_ne!(mine, before, "{change}");
        let told = scene.host.sh("alice", "caddis diff").ok();
        assert!(told.stdout.contains("  /opt/d/"), "{change}: {told}");
        // It is not given back when nobody holds anything any more.
        drop(holder);
        scene.host.sh("alice", "caddis stop").ok();
        assert_eq!(seen(), mine, "{change}");
        scene.revert("--all --yes").ok();
        assert_eq!(seen(), before, "{change}");
    }
}

/// One copy in the place of another one is no copy of that.
#[test]
fn a_copy_that_is_moved_to_the_place_of_another_is_the_users() {
    let (scene, holder) = with_copies(&["dir/one", "dir/two"]);
    scene.change("chown --reference=dir/one dir/two; mv dir/one dir/two");
    let seen = || scene.host.inside("alice", "cat /opt/d/dir/two").ok().stdout;
    assert_eq!(seen(), "one\n");
    let told = scene.host.sh("alice", "caddis diff").ok().stdout;
    assert!(
        told.contains("MP /opt/d/dir/two") && told.contains("D  /opt/d/dir/one"),
        "{told}"
    );
    drop(holder);
    scene.host.sh("alice", "caddis stop").ok();
    assert_eq!(seen(), "one\n");
    scene.revert("--all --yes").ok();
    scene.is_the_base("after all");
}

/// The environment that a killed instance leaves has them still. A copy of it has the base's.
#[test]
fn a_copy_of_the_environment_has_none_of_them() {
    let (scene, _holder) = with_copies(&["file"]);
    let first = scene.host.first_process(1000, "default").unwrap();
    scene.host.sh("root", &format!("kill -KILL {first}")).ok();
    let upper = |name: &str| format!("/var/lib/caddis/env/1000/{name}/@/opt/d/file");
    assert!(scene.host.exists(&upper("default")));
    scene
        .host
        .sh("alice", "caddis new --from default other")
        .ok();
    for name in ["default", "other"] {
        assert!(!scene.host.exists(&upper(name)), "{name}");
        let told = scene.host.sh("alice", &format!("caddis diff {name}")).ok();
        assert_eq!(told.stdout, "", "{name}");
    }
}

/// Below a directory that was replaced: who is in one that came from there keeps it from being seen at its place.
#[test]
fn a_directory_that_is_in_use_under_another_name() {
    let scene = Scene::new(true);
    scene.change("mv dir/deep moved; rm -r dir; mkdir dir; echo own > dir/own");
    let inside = "cd /opt/d/moved; echo ready; read -r end";
    let mut session = scene
        .host
        .caddis("alice", &["root", "bash", "-c", inside])
        .spawn();
    assert_eq!(session.line(), "ready");
    let output = scene.revert("--all --yes").exits(1);
    assert!(
        output
            .stdout
            .contains("/opt/d/dir  (still yours: it is in use)"),
        "{output}"
    );
    session.send("\n");
    session.wait().ok();
    scene.revert("--all --yes").ok();
    scene.is_the_base("when nobody is in it any more");
}

/// Who has a file open that came from elsewhere makes the kernel show at its place what was made of it.
#[test]
fn a_file_that_is_in_use_under_another_name() {
    let scene = Scene::new(true);
    scene.change("mv file dir/one; mkdir file");
    let inside = "exec 3< /opt/d/dir/one; echo ready; read -r end";
    let mut session = scene
        .host
        .caddis("alice", &["root", "bash", "-c", inside])
        .spawn();
    assert_eq!(session.line(), "ready");
    scene.change("chown daemon dir/one; echo more >> dir/one");
    let output = scene.revert("--all --yes").exits(1);
    assert!(
        output
            .stdout
            .contains("/opt/d/file  (still yours: it is in use)"),
        "{output}"
    );
    session.send("\n");
    session.wait().ok();
    scene.revert("--all --yes").ok();
    scene.is_the_base("when nobody has it any more");
}

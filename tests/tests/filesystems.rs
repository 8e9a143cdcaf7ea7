//! Hosts of several file systems: which are seen through an overlay, which are passed through, which are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, RootKind};
use caddis_tests::{Environments, State};

#[test]
fn further_local_file_systems_are_overlaid_each_with_changes_of_its_own() {
    let host = Host::builder()
        .disk("/data", FileSystem::Ext4, "60M")
        .disk("/data/odd %@ name", FileSystem::Xfs, "400M")
        .disk("/var/lib/big", FileSystem::Btrfs, "200M")
        .start()
        .unwrap();
    host.sh("root", "for d in /data '/data/odd %@ name' /var/lib/big; do cd \"$d\"; rm -rf lost+found; chmod 1777 .; echo host > file; mkdir dir; echo host > dir/f; echo secret > locked; chmod 600 locked; ln file hard; done").ok();
    let places = "for d in /data '/data/odd %@ name' /var/lib/big; do cd \"$d\";";
    let by_root = host.inside_root("alice", &format!("set -e; {places} echo mine > file; rm dir/f; mv dir moved; echo new > new; stat -f -c %T .; ! cat locked; done"));
    assert_eq!(by_root.ok().stdout, "overlayfs\noverlayfs\noverlayfs\n");
    let look = format!("{places} ls | paste -sd ' '; cat file hard; done");
    let inside = "file hard locked moved new\nmine\nhost\n";
    let data = inside.replace("moved new\n", "moved new odd %@ name\n");
    assert_eq!(
        host.inside("alice", &look).ok().stdout,
        format!("{data}{inside}{inside}")
    );
    // Nothing of it on the host, for another user or in another environment; all of it after a restart and in a copy.
    let outside = "dir file hard locked\nhost\nhost\n";
    let on_host = format!(
        "{}{outside}{outside}",
        outside.replace("locked\n", "locked odd %@ name\n")
    );
    assert_eq!(host.sh("root", &look).ok().stdout, on_host);
    assert_eq!(host.inside("bob", &look).ok().stdout, on_host);
    host.sh("alice", "caddis stop; caddis new copy --from default")
        .ok();
    assert_eq!(
        host.inside("alice", &look).ok().stdout,
        format!("{data}{inside}{inside}")
    );
    let copied = host
        .caddis("alice", &["run", "-e", "copy", "bash", "-c", &look])
        .run()
        .ok();
    assert_eq!(copied.stdout, format!("{data}{inside}{inside}"));
    let upper = host
        .sh(
            "root",
            "ls -A /var/lib/caddis/env/1000/default | grep -v work | paste -sd ' '",
        )
        .ok();
    assert_eq!(
        upper.text(),
        "@ @data @data@odd%20%25%40%20name @var@lib@big"
    );
    // A rename from one to another is a copy, as on the host.
    host.inside_root(
        "alice",
        "mv /data/new /var/lib/big/from-data && cat /var/lib/big/from-data",
    )
    .ok();
    // A file system that the host mounts elsewhere later, or no more, does no harm.
    host.sh("root", "umount '/data/odd %@ name'; umount /data")
        .ok();
    host.sh("alice", "caddis stop").ok();
    assert_eq!(
        host.inside("alice", "ls -A /data; cat /var/lib/big/file")
            .ok()
            .stdout,
        "mine\n"
    );
}

#[test]
fn file_systems_in_memory_and_new_mounts_below_them_are_passed_through() {
    let host = Host::builder()
        .memory("/scratch", "size=16m,mode=1777")
        .start()
        .unwrap();
    host.sh(
        "root",
        "mkdir -m 700 /scratch/locked; echo secret > /scratch/locked/f",
    )
    .ok();
    let mut session = host.session("alice", "echo x > /scratch/from-inside; echo; read; cat /scratch/disk/f; mount | grep -c /scratch/disk; read; ls -A /scratch/disk");
    session.line();
    assert_eq!(
        host.sh(
            "root",
            "stat -c %U /scratch/from-inside; cat /scratch/from-inside"
        )
        .ok()
        .stdout,
        "alice\nx\n"
    );
    host.inside_root("alice", "cat /scratch/locked/f")
        .fails()
        .says("Permission denied");
    // Mounted by the host while the environment runs: there; unmounted: gone, and the host is not held up.
    host.sh(
        "root",
        "mkdir /scratch/disk; mount -t tmpfs none /scratch/disk; echo later > /scratch/disk/f",
    )
    .ok();
    session.send("\n");
    assert_eq!(
        (session.line(), session.line()),
        ("later".into(), "1".into())
    );
    host.sh("root", "umount /scratch/disk").ok();
    session.send("\n");
    assert_eq!(session.wait().ok().stdout, "\nlater\n1\n");
    // What is mounted inside, in a namespace nested there, never reaches the host.
    host.inside(
        "alice",
        "unshare -Urm sh -c 'mkdir /scratch/n; mount -t tmpfs none /scratch/n; touch /scratch/n/x'",
    )
    .ok();
    assert!(!host.mounts().contains("/scratch/n "));
    assert!(!host.exists("/scratch/n/x"));
}

#[test]
fn what_the_hosts_mounts_forbid_stays_forbidden() {
    let host = Host::builder()
        .disk("/noexec", FileSystem::Ext4, "20M")
        .disk("/ro", FileSystem::Ext4, "20M")
        .memory("/scratch", "mode=1777")
        .start()
        .unwrap();
    host.sh("root", "chmod 1777 /noexec /ro; cp /bin/true /noexec/; cp /bin/true /scratch; mknod -m 666 /noexec/null c 1 3; mount -o remount,noexec,nosuid,nodev /noexec; mount -o remount,ro /ro; mount -o remount,ro,noexec /scratch").ok();
    host.inside("alice", "/noexec/true").exits(126);
    host.inside("alice", "cp /bin/true /noexec/mine && /noexec/mine")
        .exits(126);
    host.inside_root("alice", "/noexec/mine").exits(126);
    host.inside_root("alice", "mount -o remount,exec /noexec")
        .fails();
    host.inside("alice", "/scratch/true").exits(126);
    host.inside("alice", "touch /scratch/x")
        .fails()
        .says("Read-only file system");
    host.inside("alice", "echo > /noexec/null").fails();
    // A read-only base can be changed privately.
    host.inside("alice", "echo mine > /ro/file && cat /ro/file")
        .ok();
    assert!(!host.exists("/ro/file"));
}

#[test]
fn mounts_of_single_files_and_covered_mounts_are_seen_as_on_the_host() {
    let host = Host::builder()
        .disk("/data", FileSystem::Ext4, "20M")
        .memory("/scratch", "mode=1777")
        .start()
        .unwrap();
    host.sh("root", "echo bound > /opt/source; echo below > /opt/target; mount --bind /opt/source /opt/target; echo tmp > /scratch/s; echo b > /opt/from-tmpfs; mount --bind /scratch/s /opt/from-tmpfs").ok();
    host.sh(
        "root",
        "mkdir /opt/dir /opt/view; echo d > /opt/dir/f; mount --bind /opt/dir /opt/view",
    )
    .ok();
    // Covered twice: only the top one counts, and what is mounted below a covered place does not show.
    host.sh("root", "chmod 1777 /data; echo one > /data/f; mkdir /data/sub; mount -t tmpfs none /data/sub; echo hidden > /data/sub/x; mount -t tmpfs -o mode=1777 none /data; echo two > /data/f").ok();
    let look = "cat /opt/target /opt/from-tmpfs /opt/view/f /data/f; ls /data; stat -f -c %T /data";
    let seen = host.inside("alice", look).ok();
    assert_eq!(seen.stdout, "bound\ntmp\nd\ntwo\nf\ntmpfs\n");
    assert_eq!(host.sh("root", look).ok().stdout, seen.stdout);
    host.inside("alice", "echo x > /data/y").ok();
    assert!(host.exists("/data/y"));
    host.inside_root(
        "alice",
        "echo mine > /opt/source; echo mine > /opt/view/f; cat /opt/source",
    )
    .ok();
    assert_eq!(
        host.sh("root", "cat /opt/source /opt/dir/f").ok().stdout,
        "bound\nd\n"
    );
    host.inside_root("alice", "echo mine > /opt/target").fails();
    assert_eq!(host.read_text("/opt/source"), "bound\n");
}

#[test]
fn bases_and_state_directories_that_cannot_work_are_refused_in_a_sentence() {
    let host = Host::builder().memory("/mem", "mode=755").start().unwrap();
    // On a tmpfs it works, though nothing outlasts the host.
    host.policy("[storage]\nstate = \"/mem/caddis\"\n");
    host.sh("root", "caddis admin refresh").ok();
    assert_eq!(
        host.inside_root("alice", "echo mine > /etc/motd; cat /etc/motd")
            .ok()
            .text(),
        "mine"
    );
    host.sh("alice", "caddis stop").ok();
    // An overlay has what an upper layer needs not; FUSE cannot be id-mapped.
    host.sh("root", "mkdir -p /mem/l /mem/u /mem/w /mem/over /mem/fuse /mem/plain; mount -t overlay -o lowerdir=/mem/l,upperdir=/mem/u,workdir=/mem/w overlay /mem/over; bindfs /mem/plain /mem/fuse").ok();
    for place in ["over", "fuse"] {
        host.policy(&format!("[storage]\nstate = \"/mem/{place}/caddis\"\n"));
        let built = host.sh("root", "caddis admin refresh");
        let refused = if built.code() == 0 {
            host.inside("alice", "true")
        } else {
            built
        };
        let refused = refused.exits(125).says("caddis: cannot ").says("  hint: ");
        assert!(
            refused.stderr.contains("local file system") && refused.stderr.lines().count() == 2,
            "{refused}"
        );
    }
    host.policy("[storage]\nstate = \"/nowhere/caddis\"\n");
    let refused = host.inside("alice", "true").exits(125);
    refused.says("caddis: cannot create /nowhere/caddis: No such file or directory");
    assert_eq!(host.count("caddis-init"), 0);
}

#[test]
fn xfs_and_btrfs_are_bases_as_well() {
    for kind in [FileSystem::Xfs, FileSystem::Btrfs] {
        let host = Host::builder().root(RootKind::Local(kind)).start().unwrap();
        host.inside_root(
            "alice",
            "echo mine > /etc/motd; mv /etc/skel /etc/moved; rm /etc/issue; ls /etc/moved/.profile",
        )
        .ok();
        assert!(host.exists("/etc/skel/.profile") && host.exists("/etc/issue"));
    }
}

#[test]
fn without_a_home_there_is_a_sentence_and_a_session() {
    let host = Host::start().unwrap();
    let cases = [
        ("mv /home/alice /home/gone", "No such file or directory"),
        ("mkdir /home/alice", "it belongs to somebody else"),
        ("rmdir /home/alice; touch /home/alice", "Not a directory"),
        (
            "rm /home/alice; mkdir -m 700 /home/up; mv /home/gone /home/up/alice; usermod -d /home/up/alice alice",
            "Permission denied",
        ),
        ("usermod -d /root alice", "it belongs to somebody else"),
        (
            "usermod -d /home/bob alice; chmod 755 /home/bob",
            "it belongs to somebody else",
        ),
        (
            "sed -i s,:/home/bob:/bin/bash,:relative:/bin/bash, /etc/passwd; grep alice:.*:relative: /etc/passwd",
            "relative",
        ),
    ];
    for (spoil, reason) in cases {
        host.sh("root", spoil).ok();
        host.sh("root", "caddis admin stop --all").ok();
        let output = host
            .caddis("alice", &["run", "sh", "-c", "pwd; ls -A /home"])
            .cwd("/usr")
            .run()
            .ok();
        output.clone().says(reason);
        assert_eq!(output.stderr.lines().count(), 1, "{spoil}: {output}");
        assert!(output.stderr.starts_with("caddis: "), "{output}");
        assert_eq!(
            output.stdout.lines().next(),
            Some("/usr"),
            "{spoil}: {output}"
        );
        assert!(
            !host
                .inside("alice", "cat /home/bob/private.txt /root/secret.txt")
                .fails()
                .stdout
                .contains("own words")
        );
    }
    // A home elsewhere, and one that is reached by a link, are seen at their place.
    host.sh("root", "chmod 700 /home/bob; mkdir -p /people/a; mv /home/up/alice /people/a/alice; ln -s /people/a /u; usermod -d /u/alice alice; caddis admin stop --all").ok();
    let home = host
        .caddis(
            "alice",
            &[
                "run",
                "sh",
                "-c",
                "cd; pwd -P; cat private.txt; echo x > made-inside",
            ],
        )
        .run()
        .ok();
    assert_eq!(
        (home.stdout.as_str(), home.stderr.as_str()),
        ("/people/a/alice\nalice's own words\n", "")
    );
    assert!(host.exists("/people/a/alice/made-inside"));
}

/// Container root can make a place for it that it can pass itself; the host's side is opened as the user all the same.
#[test]
fn a_mount_that_the_user_cannot_get_to_is_not_put_in_a_place_of_theirs() {
    let host = Host::builder()
        .memory("/behind/disk", "size=4m,mode=755")
        .start()
        .unwrap();
    host.sh("root", "echo secret > /behind/disk/file; chmod 700 /behind")
        .ok();
    host.inside_root("alice", "mv /behind /former; mkdir -p /behind/disk")
        .ok();
    host.sh("alice", "caddis stop").ok();
    let read = "ls -A /behind/disk; cat /behind/disk/file";
    let found = host.inside_root("alice", read).fails();
    assert_eq!(found.stdout, "", "{found}");
    // The control: where the user gets to it, it is there.
    host.sh("root", "chmod 755 /behind").ok();
    host.sh("alice", "caddis stop").ok();
    assert_eq!(host.inside("alice", read).ok().stdout, "file\nsecret\n");
}

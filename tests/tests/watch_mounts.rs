//! `caddis admin watch` and file systems that are mounted while it watches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, Signal, eventually};
use caddis_tests::Environments;
use caddis_tests::watcher::{seen, watch};

/// A host with a file system that is mounted where nobody's environment is a view of it, so that it is not watched.
fn with_a_disk_aside() -> Host {
    let host = Host::builder()
        .disk("/data", FileSystem::Ext4, "20M")
        .start()
        .unwrap();
    let aside = "mkdir /home/aside; mount --bind /data /home/aside; umount /data";
    host.sh("root", aside).ok();
    host
}

#[test]
fn file_systems_that_are_mounted_later_are_watched() {
    let host = with_a_disk_aside();
    let mut watcher = watch(&host);
    host.sh("root", "mount --bind /home/aside /data; touch /opt/mounted")
        .ok();
    watcher.until("for /opt/mounted");
    // It may have rested from looking at mounts.
    let marks = format!("grep -hc '^fanotify sdev' /proc/{}/fdinfo/*", watcher.pid);
    eventually("both are watched", || {
        let marks = host.sh("root", &marks);
        marks.stdout.lines().any(|count| count == "2")
    });
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    assert_eq!(seen(&host, "cat /data/file || echo none"), "none");
    host.sh("root", "echo new > /data/file").ok();
    watcher.until("refreshed 1 for /data/file");
    assert_eq!(seen(&host, "cat /data/file"), "new");
    // Nobody holds it: it can be taken away, and come again.
    host.sh("root", "umount /data && mount --bind /home/aside /data")
        .ok();
    // Until it has looked at the mounts.
    let again = "while :; do echo new > /data/other; sleep 0.1; rm /data/other; done";
    let mut again = host.spawn("root", again);
    watcher.until("/data/other");
    again.kill(Signal::KILL);
    again.wait();
}

/// The watcher may rest from looking at mounts, or be late: what a session has seen meanwhile is put right.
#[test]
fn what_happened_before_a_file_system_was_watched_is_seen() {
    let host = with_a_disk_aside();
    let mut watcher = watch(&host);
    watcher.stop();
    host.sh("root", "mount --bind /home/aside /data").ok();
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    assert_eq!(seen(&host, "cat /data/file || echo none"), "none");
    host.sh("root", "echo new > /data/file").ok();
    assert_eq!(seen(&host, "cat /data/file || echo none"), "none");
    watcher.kill("CONT");
    watcher.until("refreshed 1 for what happened on /data");
    assert_eq!(seen(&host, "cat /data/file"), "new");
}

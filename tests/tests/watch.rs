//! `caddis admin watch`: what changes on the host shows in running environments without anybody's asking for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, eventually};
use caddis_tests::watcher::{seen, watch};
use caddis_tests::{Environments, State, Told};

/// A host with an environment of alice's in which a session runs.
fn host_with_session() -> (Host, HostChild) {
    let host = Host::start().unwrap();
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    (host, session)
}

/// A change of the host's, and what it changes in the environment.
struct Change {
    /// Made before anything was looked up.
    before: &'static str,
    change: &'static str,
    look: &'static str,
    was: &'static str,
    is: &'static str,
    /// Overlayfs does not remember this, so that the environment may see it without a refresh.
    at_once: bool,
}

const CHANGES: [Change; 12] = [
    Change {
        before: "true",
        change: "echo new > file",
        look: "cat file || echo none",
        was: "none",
        is: "new",
        at_once: false,
    },
    Change {
        before: "true",
        change: "mkdir dir",
        look: "stat -c %F dir || echo none",
        was: "none",
        is: "directory",
        at_once: false,
    },
    Change {
        before: "echo old > file",
        change: "rm file",
        look: "cat file || echo none",
        was: "old",
        is: "none",
        at_once: false,
    },
    Change {
        before: "mkdir dir; echo old > dir/file",
        change: "rm -r dir",
        look: "cat dir/file || echo none",
        was: "old",
        is: "none",
        at_once: false,
    },
    Change {
        before: "echo old > file",
        change: "mv file other",
        look: "cat file || cat other",
        was: "old",
        is: "old",
        at_once: true,
    },
    Change {
        before: "echo old > file; echo new > ../other-file",
        change: "mv ../other-file file",
        look: "cat file",
        was: "old",
        is: "new",
        at_once: false,
    },
    Change {
        before: "mkdir dir; echo old > dir/file",
        change: "mv dir dir2",
        look: "cat dir2/file || echo none",
        was: "none",
        is: "old",
        at_once: false,
    },
    Change {
        before: "echo old > file",
        change: "chmod 600 file",
        look: "cat file || echo none",
        was: "old",
        is: "none",
        at_once: true,
    },
    Change {
        before: "mkdir dir; echo old > dir/file",
        change: "chmod 700 dir",
        look: "cat dir/file || echo none",
        was: "old",
        is: "none",
        at_once: true,
    },
    Change {
        before: "echo old > file; chmod 640 file",
        change: "chgrp proj file",
        look: "cat file || echo none",
        was: "none",
        is: "old",
        at_once: false,
    },
    Change {
        before: "echo old > file; setfattr -n user.kind -v old file",
        change: "setfattr -n user.kind -v new file",
        look: "getfattr --only-values -n user.kind file",
        was: "old",
        is: "new",
        at_once: true,
    },
    Change {
        before: "echo old > file; chmod 600 file",
        change: "setfacl -m u:alice:r file",
        look: "cat file || echo none",
        was: "none",
        is: "old",
        at_once: false,
    },
];

#[test]
fn each_kind_of_change_is_seen() {
    let (host, _session) = host_with_session();
    let watcher = watch(&host);
    for (number, change) in CHANGES.iter().enumerate() {
        let place = format!("/opt/d/{number}");
        let base = |script: &str| {
            let script = format!("set -e; umask 022; mkdir -p {place}; cd {place}; {script}");
            host.sh("root", &script).ok();
        };
        let look = format!("cd {place} && ({}) 2> /dev/null", change.look);
        base(change.before);
        eventually("it is there", || seen(&host, &look) == change.was);
        // A watcher that does not run sees to nothing. What it saw to until then was looked up before that.
        watcher.stop();
        assert_eq!(seen(&host, &look), change.was, "{}", change.before);
        base(change.change);
        if !change.at_once {
            assert_eq!(seen(&host, &look), change.was, "{}", change.change);
        }
        watcher.kill("CONT");
        eventually(change.change, || seen(&host, &look) == change.is);
    }
    watcher.kill("TERM");
    let ended = watcher.wait().exits(0);
    let said = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("caddis"));
    assert_eq!(said.collect::<Vec<_>>(), ["caddis: watching /"]);
}

#[test]
fn more_changes_than_the_queue_holds_are_all_seen() {
    let (host, _session) = host_with_session();
    host.sh("root", "mkdir -p /opt/many /usr/share/deep/er")
        .ok();
    let mut watcher = watch(&host);
    watcher.stop();
    assert_eq!(seen(&host, "cat /opt/last || echo none"), "none");
    let script = "queue=$(cat /proc/sys/fs/fanotify/max_queued_events)
                  python3 -c 'import os, sys
for number in range(int(sys.argv[1]) + 100): os.mkdir(f\"/opt/many/{number}\")' $queue
                  echo new > /opt/last; install -m 600 /dev/null /usr/share/deep/er/secret";
    host.sh("root", script).ok();
    assert_eq!(seen(&host, "cat /opt/last || echo none"), "none");
    watcher.kill("CONT");
    watcher.until("refreshed 1 for more than the kernel's queue holds");
    assert_eq!(seen(&host, "cat /opt/last"), "new");
    // What was lost is looked for where nobody would look otherwise.
    watcher.until("built veil 2");
    let list = host.read_text("/var/lib/caddis/veil/2.list");
    assert!(list.contains("/usr/share/deep/er/secret"), "{list}");
    watcher.kill("TERM");
    let said = watcher.wait().ok().stdout;
    assert!(said.contains("caddis: more names changed than the kernel's queue holds"));
}

#[test]
fn the_veil_is_kept_up_to_date_where_the_watcher_sees_changes() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir -p /usr/share/deep/er /srv/tree/sub; install -m 600 /dev/null /srv/tree/sub/key",
    )
    .ok();
    let mut watcher = watch(&host);
    host.sh("root", "install -m 600 /dev/null /usr/share/deep/er/secret")
        .ok();
    watcher.until("built veil 2");
    let list = host.read_text("/var/lib/caddis/veil/2.list");
    assert!(list.contains("/usr/share/deep/er/secret"), "{list}");
    // What comes with a directory has no event of its own.
    host.sh("root", "mv /srv/tree /usr/share/deep/tree").ok();
    watcher.until("built veil 3");
    let list = host.read_text("/var/lib/caddis/veil/3.list");
    assert!(list.contains("/usr/share/deep/tree/sub/key"), "{list}");
    host.sh("root", "chmod 644 /usr/share/deep/er/secret").ok();
    watcher.until("built veil 4");
    let list = host.read_text("/var/lib/caddis/veil/4.list");
    assert!(!list.contains("secret"), "{list}");
}

#[test]
fn a_watcher_that_was_killed_makes_up_for_what_it_missed() {
    let (host, _session) = host_with_session();
    let watcher = watch(&host);
    watcher.kill("KILL");
    watcher.wait().exits(137);
    assert_eq!(seen(&host, "cat /opt/file || echo none"), "none");
    host.sh(
        "root",
        "echo new > /opt/file; install -m 600 /dev/null /etc/key",
    )
    .ok();
    assert_eq!(seen(&host, "cat /opt/file || echo none"), "none");
    let mut watcher = watch(&host);
    assert_eq!(seen(&host, "cat /opt/file"), "new");
    watcher.until("built veil 2");
}

/// Blocked in a call without a time limit, and with no other thread, it uses nothing of any processor.
#[test]
fn a_watcher_makes_no_system_call_while_nothing_changes() {
    let (host, _session) = host_with_session();
    let mut watcher = watch(&host);
    let pid = watcher.pid.clone();
    let trace = format!(
        "strace -f -ttt -o /srv/trace -p {pid} & while ! grep -q '^TracerPid:.[1-9]' /proc/{pid}/status; do :; done; echo traced; wait"
    );
    let mut tracer = host.spawn("root", &trace);
    tracer.until("traced");
    let lines = || host.read_text("/srv/trace").lines().count();
    for name in ["one", "two", "three"] {
        host.sh("root", &format!("touch /opt/{name}")).ok();
        watcher.until(&format!("for /opt/{name}"));
        // The rest after the work comes to its end.
        let last = || {
            let trace = host.read_text("/srv/trace");
            trace.lines().last().unwrap_or_default().to_owned()
        };
        let blocked = |line: &str| {
            line.contains("poll([")
                && line.matches("fd=").count() == 3
                && line.contains("NULL")
                && !line.contains(") = ")
        };
        eventually("it waits for ever", || blocked(&last()));
        let tasks = host
            .sh("root", &format!("ls /proc/{pid}/task | wc -l"))
            .ok();
        assert_eq!(tasks.text(), "1");
        let before = lines();
        // What others do for a while is nothing to it.
        host.sh(
            "alice",
            "for i in 1 2 3; do cat /etc/os-release; done; echo x > /dev/shm/x",
        )
        .ok();
        assert_eq!(lines(), before, "{}", last());
    }
}

#[test]
fn what_users_change_for_themselves_is_no_reason_for_a_refresh() {
    let (host, _session) = host_with_session();
    let mut watcher = watch(&host);
    host.sh("alice", "mkdir -p ~/a/b; touch ~/a/b/c; mv ~/a ~/d; chmod 700 ~/d; rm -r ~/d; touch /tmp/x /var/tmp/x; rm /tmp/x /var/tmp/x")
        .ok();
    host.inside_root(
        "alice",
        "mkdir -p /opt/own/dir; touch /opt/own/dir/file; chmod 600 /opt/own/dir/file; mv /opt/own /opt/other; apt-get install -y hello",
    )
    .ok();
    host.sh(
        "alice",
        "caddis new other; caddis run -e other touch /tmp/x; caddis remove --yes other",
    )
    .ok();
    // To make a directory is one event; touch(1) makes two, which may be told of one by one.
    host.sh("root", "mkdir /opt/marker").ok();
    assert_eq!(
        watcher.until("\n"),
        "refreshed 1 for /opt/marker\n",
        "the first refresh is for something else"
    );
    // What comes from there counts, with all that is in it.
    host.sh(
        "root",
        "mkdir -p /home/tree/sub; touch /home/tree/sub/x; mkdir /opt/marker2",
    )
    .ok();
    watcher.until("for /opt/marker2\n");
    host.sh("root", "mv /home/tree /opt/tree").ok();
    watcher.until("for /opt/tree\n");
    host.sh("root", "touch /opt/tree/sub/y").ok();
    watcher.until("for /opt/tree/sub/y\n");
}

#[test]
fn there_is_one_watcher_and_it_heeds_signals() {
    let (host, _session) = host_with_session();
    let mut watcher = watch(&host);
    host.sh("root", "caddis admin watch")
        .told()
        .says("another watcher does so already");
    host.sh("alice", "caddis admin watch")
        .told()
        .says("only root may do that");
    host.inside_root("alice", "caddis admin watch").told();
    // Another policy. (Each change here is one event, so that it is told of once.)
    host.sh("root", "mkdir /opt/apart").ok();
    watcher.until("for /opt/apart\n");
    host.policy("[view]\nhidden = [\"/opt/apart\"]\n");
    watcher.until("/etc/caddis/policy.toml\n");
    watcher.kill("HUP");
    watcher.until("read the policy again; watching /\n");
    host.sh("root", "touch /opt/apart/y; mkdir /opt/marker")
        .ok();
    let next = watcher.until("\n");
    assert_eq!(next, "refreshed 1 for /opt/marker\n");
    // One that is broken changes nothing.
    host.policy("[view]\nhidden = 7\n");
    watcher.until("/etc/caddis/policy.toml\n");
    watcher.kill("HUP");
    watcher.until("view.hidden");
    watcher.until("hint: ");
    watcher.until("\n");
    host.sh("root", "touch /opt/apart/z; mkdir /opt/marker2")
        .ok();
    let next = watcher.until("\n");
    assert_eq!(next, "refreshed 1 for /opt/marker2\n");
    watcher.kill("INT");
    watcher.wait().ok();
    host.policy("");
    // The next one is not held up by what it left.
    watch(&host).kill("TERM");
}

#[test]
fn a_service_manager_hears_that_it_watches() {
    let host = Host::start().unwrap();
    let script = "import os, socket, subprocess
for name in '/run/notify', '\\0notify':
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(name)
    watcher = subprocess.Popen(['caddis', 'admin', 'watch'], env={**os.environ, 'NOTIFY_SOCKET': name.replace('\\0', '@')})
    print(s.recv(100).decode(), os.path.exists('/run/caddis/watch'))
    watcher.terminate()
    print(watcher.wait())";
    let said = host
        .command("root", &["python3", "-"])
        .stdin(script)
        .run()
        .ok();
    assert_eq!(said.stdout, "READY=1 True\n0\n".repeat(2));
}

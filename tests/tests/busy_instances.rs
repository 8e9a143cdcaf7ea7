//! Users who keep their running instances busy, so that a refresh would not come to those of
//! others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, HostChild, eventually};
use caddis_tests::Environments;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Where alice's environments are, on a disk of their own, which can be frozen so that writers
/// wait.
const ALICES: &str = "/var/lib/caddis/env/1000";

/// So many of alice's run: on the old code there were four workers, and one more after each of
/// thirty seconds.
const MANY: usize = 40;

/// Thawed when it is dropped, or when the test is killed: what is frozen for good could never be
/// removed.
struct Frozen {
    end: Option<ChildStdin>,
    thaws: Child,
}

impl Frozen {
    fn freeze(host: &Host) -> Frozen {
        let place = host.root_path().join(&ALICES[1..]);
        let mut thaws = Command::new("sh");
        thaws.args(["-c", "read -r end; exec fsfreeze --unfreeze ."]);
        // On the machine, and in no group of processes that is killed.
        let mut thaws = thaws
            .current_dir(place)
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let end = thaws.stdin.take();
        host.sh("root", &format!("fsfreeze --freeze {ALICES}")).ok();
        Frozen { end, thaws }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.thaws.wait();
    }
}

/// A session that says what it sees whenever it is asked.
fn looking(host: &Host, user: &str) -> HostChild {
    let script = "echo ready; while read -r line; do cat /opt/later 2>&1; done";
    let mut session = host.session(user, script);
    session.until("ready");
    session
}

/// Users take turns, and one user occupies a few workers at most. On the old code, workers took the
/// users in the order of their numbers. Forty busy instances of alice's occupied all of them, and
/// bob's and carol's were not refreshed at all.
#[test]
fn a_user_with_many_busy_instances_only_delays_their_own() {
    let host = Host::builder()
        .disk(ALICES, FileSystem::Xfs, "400M")
        .start()
        .unwrap();
    let closed = format!("chmod 700 {ALICES} {ALICES}/..");
    host.sh("root", &closed).ok();
    let start = format!(
        "for i in $(seq {MANY}); do caddis run --env busy$i sh -c 'echo ready; exec sleep infinity' & done; wait"
    );
    let mut alices = host.spawn("alice", &start);
    for _ in 0..MANY {
        alices.until("ready");
    }
    let mut others = [looking(&host, "bob"), looking(&host, "carol")];
    host.sh("root", "caddis admin refresh").ok();
    for session in &mut others {
        // Until the next refresh, this is what the kernel remembers of the name.
        session.send("look\n");
        session.until("No such file");
    }

    // With another package database, root has a note to write about each environment.
    host.sh("root", "echo new > /opt/later; touch /var/lib/dpkg/status")
        .ok();
    let frozen = Frozen::freeze(&host);
    let refreshing = host.spawn("root", "caddis admin refresh");
    for session in &mut others {
        let mut sees = false;
        eventually("it is refreshed, or all is over", || {
            session.send("look\n");
            sees = session.line() == "new";
            sees || refreshing.has_ended()
        });
        assert!(sees, "another user's instance was not refreshed");
    }
    assert!(!refreshing.has_ended());
    drop(frozen);
    // Then alice's are as well.
    let said = refreshing.wait().ok();
    let all = format!("Refreshed {} running environments", MANY + 2);
    assert!(said.stdout.contains(&all), "{said}");
}

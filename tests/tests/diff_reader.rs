//! The process that reads for `caddis diff` is alive for as long as the reader of its output likes,
//! and can only read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::Environments;

/// `CAP_DAC_READ_SEARCH` and `CAP_SYS_ADMIN`.
const READERS: &str = "0000000000200004";

/// The process keeps both capabilities over the machine until its pager ends, so a filter restricts
/// its system calls. `crates/caddis-sys/src/seccomp.rs` tries what the kernel refuses under it.
#[test]
fn a_reader_that_waits_for_its_pager_has_a_filter() {
    let host = Host::start().unwrap();
    let change = "for n in $(seq 40); do seq 30000 > /opt/$n; done";
    host.inside_root("alice", change).ok();
    for (user, words) in [
        ("alice", "caddis diff --patch"),
        ("root", "caddis diff --user alice --patch"),
    ] {
        // Nobody reads.
        let mut pager = host.spawn(
            user,
            &format!("{words} | {{ echo reading; exec sleep infinity; }}"),
        );
        pager.until("reading");
        let state = "for pid in $(pgrep -x caddis-helper); do \
                     grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/$pid/status | cut -f2 | xargs; \
                     done | sort";
        let expected = format!("{READERS} 1 2");
        eventually("the reader has its filter", || {
            let all = host.sh("root", state).stdout;
            all.lines().any(|line| line == expected) && all.lines().count() == 2
        });
        if user == "alice" {
            // The process that writes is its caller, and no more.
            eventually("the writer has no rights", || {
                host.sh("root", state)
                    .stdout
                    .contains("0000000000000000 1 0\n")
            });
        }
        host.sh(
            "root",
            "pkill -x sleep; while pgrep -x caddis-helper > /dev/null; do :; done",
        )
        .ok();
        pager.wait();
    }
}

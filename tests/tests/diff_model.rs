//! Whatever is done in an environment, `caddis diff` says exactly what makes one tree of the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;

const MODEL: &str = include_str!("../models/changes.py");
const PROGRAM: &str = "/usr/local/lib/changes.py";

/// Random operations in a random tree; running or not makes no difference.
fn follows_the_model(seeds: std::ops::Range<u32>) {
    let host = Host::start().unwrap();
    host.write(PROGRAM, MODEL, 0o755);
    for seed in seeds {
        host.sh(
            "root",
            &format!(
                "rm -rf /opt/tree; python3 {PROGRAM} base {seed}; python3 {PROGRAM} list > /before"
            ),
        )
        .ok();
        let name = format!("seed{seed}");
        let inside = |script: &str| {
            host.caddis("alice", &["root", "-e", &name, "bash", "-c", script])
                .run()
                .ok()
                .stdout
        };
        inside(&format!("python3 {PROGRAM} change {seed}"));
        let after = inside(&format!("python3 {PROGRAM} list"));
        host.write("/after", &after, 0o644);
        let told = |what: &str| {
            let json = host
                .caddis("alice", &["diff", "-e", &name, "--json", "/opt/tree"])
                .run();
            host.write("/told", &json.ok().stdout, 0o644);
            let checked = host.run(
                "root",
                &["python3", PROGRAM, "check", "/before", "/after", "/told"],
            );
            assert!(checked.status.success(), "seed {seed}, {what}:\n{checked}");
        };
        told("running or idle");
        host.caddis("alice", &["stop", &name]).run().ok();
        told("stopped");
    }
}

#[test]
fn random_changes() {
    follows_the_model(0..12);
}

#[test]
fn more_random_changes() {
    follows_the_model(100..112);
}

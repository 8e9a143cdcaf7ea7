//! Environments end with the account they belong to: whoever gets its number later begins with nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, State};

const HOOK: &str = "/etc/shadow-maint/userdel-post.d/caddis";
const POLICY: &str = "[session]\nkeep = [\"sleep\"]\n";

/// A host with mallory, who has planted an `ls` in her default environment and left a process there.
fn planted() -> Host {
    let host = Host::start().unwrap();
    host.policy(POLICY);
    host.sh("root", "useradd -u 1500 -m -s /bin/bash mallory")
        .ok();
    let plant = "printf '#!/bin/sh\\necho planted as $(id -un)\\n' > /usr/local/bin/ls; chmod 755 /usr/local/bin/ls; \
                 sleep 4711 & sleep 0.1";
    host.caddis("mallory", &["root", "sh", "-c", plant])
        .run()
        .ok();
    assert_eq!(host.count("^sleep 4711$"), 1);
    host
}

/// `user` has an environment in which nothing is planted, and nothing of the former instance lives.
fn begins_with_nothing(host: &Host, user: &str) {
    let said = host
        .caddis(user, &["run", "ls", "/usr/local/bin"])
        .run()
        .ok();
    assert!(!said.stdout.contains("planted"), "{said}");
    host.comes_to("^sleep 4711$", 0);
    let said = host.caddis(user, &["list", "--names"]).run().ok();
    assert_eq!(said.text(), "default");
}

/// On the old code the planted program ran as eve, whose environment the process of mallory's container root shared.
#[test]
fn another_account_with_the_number_begins_with_nothing() {
    for hook in [true, false] {
        let host = planted();
        if !hook {
            host.sh("root", &format!("rm -f {HOOK}")).ok();
        }
        host.sh(
            "root",
            "userdel -rf mallory; useradd -u 1500 -m -s /bin/bash eve",
        )
        .ok();
        begins_with_nothing(&host, "eve");
    }
}

/// On the old code the planted program ran as the second mallory.
#[test]
fn the_same_account_made_again_begins_with_nothing() {
    let host = planted();
    host.sh("root", "userdel -rf mallory").ok();
    // The hook has ended what ran before `userdel` has returned.
    assert_eq!(host.count("^sleep 4711$"), 0);
    host.sh("root", "useradd -u 1500 -m -s /bin/bash mallory")
        .ok();
    begins_with_nothing(&host, "mallory");
}

//! What the administrator changes on the host shows in an environment's next start, save where the user has a
//! version of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, State};

#[test]
fn changes_of_the_base_are_seen_at_the_next_start() {
    let host = Host::start().unwrap();
    host.sh("root", "cd /opt; echo old > replaced; echo old > edited; echo old > deleted; echo old > mine; mkdir dir; echo old > dir/a; ln -s edited link").ok();
    let look = "cd /opt; for f in $(find . -type f -o -type l | sort); do echo $f $(cat $f); done";
    assert_eq!(
        host.inside("alice", look).ok().stdout,
        "./deleted old\n./dir/a old\n./edited old\n./link old\n./mine old\n./replaced old\n"
    );
    host.inside_root(
        "alice",
        "echo alice > /opt/mine; rm /opt/dir/a; echo alice > /opt/own; mkdir /opt/new",
    )
    .ok();
    host.sh("alice", "caddis stop").ok();
    host.sh(
        "root",
        "cd /opt; echo new > r; mv r replaced; echo new >> edited; rm deleted; echo new > added; echo new > mine; \
         echo new > dir/a; echo new > dir/b; ln -sf replaced link; mkdir new; echo new > new/x; echo new > own",
    )
    .ok();
    let seen = host.inside("alice", look).ok();
    assert_eq!(
        seen.stdout,
        "./added new\n./dir/b new\n./edited old new\n./link new\n./mine alice\n./own alice\n./replaced new\n"
    );
    // And the host has none of what was changed inside; another user sees the host's.
    assert_eq!(
        host.sh("root", "cat /opt/mine /opt/own /opt/dir/a")
            .ok()
            .text(),
        "new\nnew\nnew"
    );
    assert_eq!(host.inside("bob", "cat /opt/mine").ok().text(), "new");
}

#[test]
fn packages_and_accounts_of_the_host_come_and_go() {
    let host = Host::start().unwrap();
    host.inside("alice", "command -v tree; id dave").fails();
    host.sh("alice", "caddis stop").ok();
    host.sh("root", "apt-get install -y -q tree && useradd -m dave")
        .ok();
    host.inside(
        "alice",
        "tree --version > /dev/null && id -u dave && dpkg -s tree > /dev/null",
    )
    .ok();
    host.sh("alice", "caddis stop").ok();
    host.sh("root", "apt-get purge -y -q tree && userdel dave")
        .ok();
    host.inside("alice", "command -v tree || id dave || dpkg -s tree")
        .fails();
    // A package of one's own stays when the host's database changes below it: the database is one's own, too.
    host.inside_root("alice", "apt-get install -y -q hello")
        .ok();
    host.sh("alice", "caddis stop").ok();
    host.sh("root", "apt-get install -y -q tree").ok();
    host.inside(
        "alice",
        "hello && dpkg -s hello > /dev/null && command -v tree",
    )
    .ok();
    assert!(!host.exists("/usr/bin/hello"));
    assert_eq!(host.first_process(1001, "default"), None);
}

#[test]
fn a_file_that_becomes_readable_or_locked_on_the_host_does_so_inside() {
    let host = Host::start().unwrap();
    host.write("/opt/report", "text\n", 0o600);
    host.inside("alice", "cat /opt/report")
        .fails()
        .says("Permission denied");
    host.sh("alice", "caddis stop").ok();
    host.sh("root", "chgrp proj /opt/report; chmod 640 /opt/report")
        .ok();
    host.inside("alice", "cat /opt/report").ok();
    host.inside("bob", "cat /opt/report").fails();
    host.sh("root", "caddis admin stop --all; chmod 600 /opt/report")
        .ok();
    host.inside("alice", "cat /opt/report")
        .fails()
        .says("Permission denied");
}

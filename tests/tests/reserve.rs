//! A file system keeps some blocks for root. What root's programs do for a user does not get them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host};
use caddis_tests::{Environments, HELPER, Told};

/// Fills the disk below the environments as carol, to the last block that a user gets.
const FILL: &str = "cd /var/lib/caddis; mkdir filler; chown carol filler; cd filler; \
    setpriv --reuid=carol --regid=carol --clear-groups bash -c 'cat /dev/zero > zeros; i=0; \
    while echo x > $((i += 1)) && sync $i; do :; done' 2> /dev/null; rm -f $(find . -size 0); sync -f .; \
    test $(stat -f -c %a .) = 0 && test $(stat -f -c %f .) -gt 3000";

/// Free blocks, those for root among them.
fn free(host: &Host) -> u64 {
    let count = host.sh(
        "root",
        "sync -f /var/lib/caddis; stat -f -c %f /var/lib/caddis",
    );
    count.ok().text().parse().unwrap()
}

/// The kernel gives reserved blocks to processes with `CAP_SYS_RESOURCE` and to those of uid 0. On
/// the old code, `new copy --from default` succeeded on the filled disk.
#[test]
fn root_keeps_its_blocks() {
    let host = Host::builder()
        .disk("/disk", FileSystem::Ext4WithReserve, "64M")
        .start()
        .unwrap();
    let script = "mount --bind /disk /var/lib/caddis; umount /disk; chmod 700 /var/lib/caddis; caddis admin refresh";
    host.sh("root", script).ok();
    let fill = "head -c 1000000 /dev/urandom > /opt/large; mkdir /opt/many; cd /opt/many; for i in {1..300}; do echo x > $i; done";
    host.inside_root("alice", fill).ok();
    host.sh(
        "alice",
        "caddis new tried --from default; caddis new kept; caddis stop --all",
    )
    .ok();
    let try_it = "cd /opt/many; for i in {1..20}; do mkdir d$i; echo y > $i; done";
    host.sh(
        "alice",
        &format!(
            "{HELPER} session --env tried --as root --try -- bash -c '{try_it}'; \
        while pgrep caddis-init > /dev/null; do :; done"
        ),
    )
    .ok();
    host.sh("root", FILL).ok();
    let before = free(&host);
    for request in [
        "new copy --from default",
        "new copy",
        "try tried --keep",
        "config default hostname=x",
        "config --own default=kept",
        "revert --env default -- /opt/many",
        "session --env kept -- true",
    ] {
        let output = host.sh("alice", &format!("{HELPER} {request}"));
        output.told().says("No space left on device");
        assert!(
            free(&host) >= before,
            "{request}: {} of {before}",
            free(&host)
        );
    }
    // Nor does the environment's own root.
    host.inside_root("alice", "head -c 100000 /dev/zero > /opt/more")
        .fails()
        .says("No space left on device");
    assert!(free(&host) >= before, "{} of {before}", free(&host));
    // Root has them.
    host.sh(
        "root",
        "head -c 1000000 /dev/zero > /var/lib/caddis/filler/root && sync /var/lib/caddis/filler/root",
    )
    .ok();
    // What could not be done has changed nothing, and can be done with room.
    host.sh(
        "root",
        "rm -r /var/lib/caddis/filler; caddis admin stop --all",
    )
    .ok();
    let look = "ls /opt/many | wc -l; stat -c '%U %a' /opt/large /opt/many";
    let as_ever = "300\nroot 644\nroot 755\n";
    assert_eq!(host.inside("alice", look).ok().stdout, as_ever);
    host.sh(
        "alice",
        &format!("caddis stop --all; {HELPER} try tried --keep"),
    )
    .ok();
    let tried = host
        .caddis("alice", &["run", "-e", "tried", "bash", "-c", look])
        .run()
        .ok();
    assert_eq!(tried.stdout, as_ever.replace("300", "320"));
    host.sh("alice", "caddis stop --all; caddis new copy --from default; caddis config hostname=x; caddis config default=kept").ok();
    let copy = host
        .caddis("alice", &["run", "-e", "copy", "bash", "-c", look])
        .run()
        .ok();
    assert_eq!(copy.stdout, as_ever);
    // Each has the owner that it has inside: what is ours is root's.
    host.sh(
        "alice",
        "caddis revert --yes -e default /opt/many; caddis stop --all",
    )
    .ok();
    let owners = "cd /var/lib/caddis/env; find . -printf '%U:%G\n' | sort -u";
    assert_eq!(host.sh("root", owners).ok().stdout, "0:0\n");
}

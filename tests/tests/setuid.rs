//! A program with set-id bits or capabilities that is made inside gives nobody on the host any rights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack::Attacker;
use caddis_tests::{Environments, attack};

const LEAVE: &str = attack!("setuid.py");
const SEND: &str = attack!("send.py");
const RECEIVE: &str = attack!("receive.py");
const PLACES: [&str; 10] = [
    "/home/alice",
    "/srv/proj",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/run",
    "/run/user/1000",
    "/usr/local",
    "/var/lib",
    "/scratch",
];

#[test]
fn no_program_that_is_left_behind_has_rights_on_the_host() {
    let host = Host::builder()
        .memory("/scratch", "size=64m,mode=1777")
        .start()
        .unwrap();
    host.sh("root", "mkdir -p /run/user; install -d -o alice -g alice -m 700 /run/user/1000; chmod 755 /home/alice; mount -o remount,suid /scratch").ok();
    let listing =
        "find / -xdev -path /var/lib/caddis -prune -o -perm /6000 -printf '%p %U %G %m\\n' | sort";
    let before = host.sh("root", listing).ok().stdout;
    let mut session = host.session("alice", "echo ready $BASHPID; read -r end");
    session.until("ready");
    let left = Attacker::Root("alice").run(&host, LEAVE, &PLACES);
    assert_eq!(left.done(), PLACES, "{}", left.output);
    // A setuid program of the base's, copied up with other content.
    host.inside_root("alice", "cp -p /usr/bin/su /root/su; cat /usr/bin/id > /usr/bin/su; chmod 4755 /usr/bin/su; stat -c '%U %a' /usr/bin/su")
        .ok();

    // On disk they are root's, setuid, in a directory that nobody else can enter.
    let kept = "/var/lib/caddis/env/1000/default/@/usr/bin/su";
    assert_eq!(
        host.sh("root", &format!("stat -c '%u %a' {kept}"))
            .ok()
            .text(),
        "0 4755"
    );
    for user in ["alice", "bob"] {
        host.sh(user, kept).exits(126).says("Permission denied");
        host.sh(user, "ls /var/lib/caddis").fails();
    }
    // The host has none new but where alice may write, and those are none of root's or bob's.
    let after = host.sh("root", listing).ok().stdout;
    let new: Vec<&str> = after
        .lines()
        .filter(|line| !before.contains(line))
        .collect();
    assert!(new.len() == 3, "{new:#?}");
    for line in &new {
        assert!(line.starts_with("/home/alice/left/id."), "{line}");
    }
    // Run by others they give ids of alice's range, which own nothing of the host's.
    for (program, uid) in [
        ("id.0", 0x8000_0000_u32),
        ("id.1001", 0x8000_0000 + 1001),
        ("id.42", 0x8000_0000 + 42),
    ] {
        let ids = host
            .sh(
                "bob",
                &format!("/home/alice/left/{program} -u; /home/alice/left/{program} -g"),
            )
            .ok()
            .stdout;
        assert_eq!(ids, format!("{uid}\n{uid}\n"));
    }
    // Capabilities count in alice's user namespace only.
    for place in ["/home/alice", "/scratch"] {
        for user in ["alice", "bob"] {
            host.sh(user, &format!("{place}/left/cat /etc/shadow"))
                .fails();
        }
    }
    // Nor can they be found by way of the session's process.
    let pid = host
        .sh("root", "pgrep -n -f '^bash -c echo ready'")
        .ok()
        .text()
        .to_owned();
    host.sh("root", &format!("test -u /proc/{pid}/root/usr/bin/su"))
        .ok();
    for user in ["alice", "bob"] {
        host.sh(user, &format!("/proc/{pid}/root/usr/bin/su -u"))
            .exits(126);
    }
    // A process inside can hand them to one on the host, where they have no effect either.
    let programs = [
        "/usr/local/left/id.0",
        "/tmp/left/id.0",
        "/dev/shm/left/id.0",
        "/var/lib/left/id.0",
        "/usr/bin/su",
    ];
    for (place, count) in [("here", 5), ("nested", 7)] {
        let socket = format!("/home/alice/{place}");
        let argv = [
            &["root", "python3", "-c", SEND, place, &socket],
            &programs[..],
        ]
        .concat();
        let mut sender = host.caddis("alice", &argv).spawn();
        for (user, uid) in [("alice", "1000"), ("bob", "1001")] {
            sender.until(&format!("listening {count}"));
            let ran = host
                .command(user, &["python3", "-", &socket])
                .stdin(RECEIVE)
                .run()
                .ok();
            assert_eq!(ran.stdout, format!("{uid}\n").repeat(count), "{ran}");
        }
    }
    drop(session);
}

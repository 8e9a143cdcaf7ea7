//! Whatever is done inside an environment, nothing of the host changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack::{ALICE_INSIDE, Attacker};
use caddis_tests::{Environments, attack};
use std::collections::BTreeSet;

const KERNEL_FILES: &str = attack!("kernel_files.py");
const IDS: &str = attack!("ids.py");

/// The first id of alice's range.
const ALICES: u32 = 0x8000_0000;

/// Everything on the host's disk but what is alice's to change and what Caddis keeps for her.
fn all_files(host: &Host) -> BTreeSet<String> {
    let script = "find / -xdev \\( -path /home/alice -o -path /var/lib/caddis -o -path /run \\) -prune -o -printf '%p %i %y %m %U %G %s %T@ %C@ %l\\n'";
    host.sh("root", script)
        .ok()
        .stdout
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_root_of_an_environment_can_wreck_its_view_and_the_host_stays_as_it_was() {
    let host = Host::start().unwrap();
    host.write("/tmp/open-to-all", "x", 0o666);
    host.write("/dev/shm/open-to-all", "x", 0o666);
    let before = all_files(&host);
    assert!(before.len() > 5000);
    host.inside_root(
        "alice",
        "echo evil | tee /etc/passwd /etc/shadow /usr/bin/su /srv/proj/shared.txt /etc/cron.d/evil /root/.ssh /tmp/open-to-all
         chmod -R 777 /etc /srv/proj /root /var/mail; chown -R alice /etc /srv/proj; setfacl -R -m u:alice:rwx /srv/proj
         touch /usr/bin/p*; mv /opt /opt2; mkdir /opt; mv /usr/share /usr/gone; ln -f /etc/hostname /etc/linked
         rm -rf /var/lib/dpkg /srv /boot /media; rm -rf /dev/shm/* /tmp/*; rm -rf /etc /usr/bin; true",
    )
    .ok();
    assert_eq!(host.caddis("alice", &["run", "id"]).run().code(), 127);
    let after = all_files(&host);
    let changed: Vec<_> = before.symmetric_difference(&after).collect();
    assert!(changed.is_empty(), "{changed:#?}");
    assert_eq!(host.read_text("/dev/shm/open-to-all"), "x");
    // The other users' environments have the host's files.
    host.inside("carol", "test -e /usr/bin/id && cat /srv/proj/shared.txt")
        .ok();
}

#[test]
fn the_kernels_files_and_process_1_cannot_be_written() {
    let host = Host::start().unwrap();
    for attacker in ALICE_INSIDE {
        for place in ["here", "nested"] {
            let found = attacker.run(&host, KERNEL_FILES, &[place]);
            assert!(found.attempts().len() > 500, "{}", found.output);
            // The limits of a namespace of one's own are one's own.
            let own = [
                "/proc/sys/fs/mqueue/",
                "/proc/sys/kernel/msg",
                "/proc/sys/kernel/shm",
                "/proc/sys/kernel/sem",
                "/proc/sys/kernel/auto_msgmni",
                "/proc/sys/kernel/ns_last_pid",
                "/proc/sys/kernel/pid_max",
                "/proc/sys/user/",
                // How exactly process 1 is woken, which is the root's of its user namespace to say.
                "/proc/1/timerslack_ns",
            ];
            let done = found.done();
            let others: Vec<_> = done
                .iter()
                .filter(|name| !own.iter().any(|own| name.starts_with(own)))
                .collect();
            assert!(others.is_empty(), "{attacker:?} {place}: {others:#?}");
        }
    }
    let root = Attacker::Host("root").run(&host, KERNEL_FILES, &["here"]);
    assert!(root.done().len() > 100);
}

#[test]
fn descriptors_that_are_inherited_by_mistake_are_closed() {
    let host = Host::start().unwrap();
    host.write("/root/log", "kept\n", 0o600);
    let open = "cd /root; exec 7</root 8<>/root/log 9>>/root/log 60</etc; ";
    let list = "import os; print(sorted(int(fd) for fd in os.listdir('/proc/self/fd')), os.path.exists('secret.txt'), \
        [os.readlink(f'/proc/self/fd/{fd}') for fd in (0, 1, 2)])";
    let as_alice = "exec setpriv --reuid=1000 --regid=1000 --init-groups env HOME=/home/alice";
    for how in ["run", "root"] {
        let script = format!(
            "{open} {as_alice} caddis {how} python3 -c \"{list}\" </dev/null 2>/dev/null | cat"
        );
        let output = host.sh("root", &script).ok();
        // 3 is the directory that is being listed.
        assert!(
            output
                .text()
                .starts_with("[0, 1, 2, 3] False ['/dev/null', 'pipe:["),
            "{output}"
        );
    }
    // Without Caddis between they would be open, in a directory of root's.
    let output = host
        .sh("root", &format!("{open} {as_alice} python3 -c \"{list}\""))
        .ok();
    assert!(output.text().contains(", 7, 8, 9, "), "{output}");
    assert_eq!(host.read_text("/root/log"), "kept\n");
}

#[test]
fn files_inside_get_none_but_the_ids_of_their_user() {
    let host = Host::builder()
        .memory("/scratch", "size=64m,mode=1777")
        .start()
        .unwrap();
    host.sh("alice", "chmod 711 /home/alice").ok();
    let found = Attacker::Root("alice").run(&host, IDS, &["/home/alice", "/scratch"]);
    assert_eq!(
        found.done(),
        ["create as all in /home/alice", "create as all in /scratch"]
    );
    let list = "find /home/alice/ids /scratch/ids -printf '%p %U %G\\n'";
    let listed = host.sh("root", list).ok().stdout;
    assert!(listed.lines().count() > 5000);
    let mine = |id: u32, own: &[u32]| own.contains(&id) || (ALICES..ALICES + 65536).contains(&id);
    for line in listed.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (uid, gid) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        assert!(mine(uid, &[1000]) && mine(gid, &[1000, 2000]), "{line}");
    }
    // Bob's number inside is not bob, root's not root.
    let owner = |path: &str| host.look(path).unwrap().st_uid;
    assert_eq!(owner("/scratch/ids/1001"), ALICES + 1001);
    assert_eq!(owner("/home/alice/ids/0"), ALICES);
    assert_eq!(owner("/home/alice/ids/1000"), 1000);
}

#[test]
fn the_id_ranges_of_two_users_do_not_meet() {
    let host = Host::start().unwrap();
    // One of them with an entry of their own in the host's tables.
    host.append("/etc/subuid", "carol:300000:65536\n");
    host.append("/etc/subgid", "carol:400000:65536\n");
    for map in ["uid_map", "gid_map"] {
        let mut taken: BTreeSet<(u32, u32)> = BTreeSet::new();
        for user in ["alice", "bob", "carol"] {
            let text = host
                .inside(user, &format!("cat /proc/self/{map}"))
                .ok()
                .stdout;
            for line in text.lines() {
                let fields: Vec<u32> = line
                    .split_whitespace()
                    .map(|field| field.parse().unwrap())
                    .collect();
                // The group proj is alice's and carol's.
                if fields[1] != 2000 {
                    assert!(
                        fields[1] > 65535 || fields[0] == fields[1],
                        "{user}: {text}"
                    );
                    taken.insert((fields[1], fields[1] + (fields[2] - 1)));
                }
            }
        }
        assert!(taken.len() >= 9);
        let ranges: Vec<_> = taken.into_iter().collect();
        assert!(
            ranges.windows(2).all(|pair| pair[0].1 < pair[1].0),
            "{ranges:?}"
        );
    }
}

//! Each key of the policy does what `/etc/caddis/policy.toml` says it does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, Output};
use caddis_tests::{Environments, State};

/// Puts a policy in force and runs alice's script in a fresh instance.
fn under(host: &Host, policy: &str, script: &str) -> Output {
    host.policy_in_force(policy);
    host.inside("alice", script)
}

/// The same as root of the environment.
fn root_under(host: &Host, policy: &str, script: &str) -> Output {
    host.policy_in_force(policy);
    host.inside_root("alice", script)
}

#[test]
fn private_memory_and_hidden_places_of_the_view() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir -m 1777 /srv/open; echo of-the-host > /srv/open/file; echo tmp > /tmp/file; mkdir -p /srv/backup/deep; echo b > /srv/backup/deep/file").ok();
    let look = "ls -A /srv/open; touch /srv/open/mine && ls -A /srv/open; stat -f -c %T /srv/open";
    // Without a rule: the host's files, privately changed.
    assert_eq!(
        under(&host, "", look).ok().stdout,
        "file\nfile\nmine\noverlayfs\n"
    );
    host.sh("alice", "caddis run rm /srv/open/mine").ok();
    // Private: empty at first, and what is put there stays over a restart.
    let private = "[view]\nprivate = [\"/home\", \"/var/tmp\", \"/srv/open\"]\n";
    assert_eq!(under(&host, private, look).ok().stdout, "mine\noverlayfs\n");
    assert_eq!(
        under(&host, private, look).ok().stdout,
        "mine\nmine\noverlayfs\n"
    );
    // In memory: empty, and gone with the instance.
    let memory = "[view]\nmemory = [\"/tmp\", \"/srv/open\"]\n";
    assert_eq!(under(&host, memory, look).ok().stdout, "mine\ntmpfs\n");
    assert_eq!(under(&host, memory, look).ok().stdout, "mine\ntmpfs\n");
    // Hidden: empty and read-only, for root too.
    let hidden = "[view]\nhidden = [\"/srv/open\", \"/srv/backup\"]\n";
    under(&host, hidden, look).says("Read-only file system");
    let by_root = root_under(
        &host,
        hidden,
        "ls -A /srv/backup /srv/open; rm -rf /srv/backup; mkdir /srv/open/x",
    );
    assert_eq!(
        by_root.fails().says("Read-only file system").stdout,
        "/srv/backup:\n\n/srv/open:\n"
    );
    // Temporary files on disk instead.
    let disk = "[view]\nmemory = []\nprivate = [\"/home\", \"/var/tmp\", \"/tmp\"]\n";
    let tmp = "stat -f -c %T /tmp; stat -c %a /tmp; ls -A /tmp; touch /tmp/kept";
    assert_eq!(under(&host, disk, tmp).ok().stdout, "overlayfs\n1777\n");
    assert_eq!(
        under(&host, disk, tmp).ok().stdout,
        "overlayfs\n1777\nkept\n"
    );
    // Nothing private: the host's home directories and temporary files are seen as the host lets alice see them.
    let open = "[view]\nprivate = []\nmemory = []\n";
    assert_eq!(
        under(&host, open, "cat /tmp/file; ls /home; ls /home/bob")
            .fails()
            .stdout,
        "tmp\nalice\nbob\ncarol\n"
    );
    assert_eq!(
        under(&host, "", "ls /home; ls -A /tmp /var/tmp")
            .ok()
            .stdout,
        "alice\n/tmp:\n\n/var/tmp:\n"
    );
    // The host was left alone.
    assert_eq!(
        host.sh("root", "ls -A /srv/open; cat /srv/backup/deep/file")
            .ok()
            .stdout,
        "file\nb\n"
    );
}

#[test]
fn shared_and_read_only_mount_points_and_the_types_that_are_overlaid() {
    let host = Host::builder()
        .disk("/data", FileSystem::Ext4, "40M")
        .disk("/modules", FileSystem::Ext4, "40M")
        .start()
        .unwrap();
    host.sh(
        "root",
        "chmod 1777 /data /modules; echo data > /data/file; echo module > /modules/file",
    )
    .ok();
    let write = "cat /data/file /modules/file; echo x > /data/x; echo x > /modules/x";
    assert_eq!(under(&host, "", write).ok().stdout, "data\nmodule\n");
    assert!(!host.exists("/data/x") && !host.exists("/modules/x"));
    host.sh("alice", "caddis remove --yes --force default").ok();
    let policy = "[view]\nshared = [\"/data\"]\nread_only = [\"/modules\"]\n";
    under(&host, policy, write)
        .fails()
        .says("/modules/x: Read-only file system");
    assert!(host.exists("/data/x") && !host.exists("/modules/x"));
    // Passed through, root of the environment is nobody there.
    host.sh(
        "bob",
        "umask 0; echo bob > /data/bob; mkdir /data/private; chmod 700 /data/private",
    )
    .ok();
    for attempt in [
        "echo x > /data/file",
        "rm /data/bob",
        "chown 0 /data/bob",
        "ls /data/private",
        "chmod 4755 /data/file",
    ] {
        root_under(&host, policy, attempt).fails();
    }
    assert_eq!(
        host.sh(
            "root",
            "cat /data/file /data/bob; stat -c '%U %a' /data/file /data/bob"
        )
        .ok()
        .stdout,
        "data\nbob\nroot 644\nbob 666\n"
    );
    let remount = root_under(
        &host,
        policy,
        "mount -o remount,rw /modules; umount /modules; touch /modules/y",
    );
    remount.fails();
    assert!(!host.exists("/modules/y"));
    // A type that does not count as local is passed through.
    under(
        &host,
        "[view]\noverlay_types = [\"xfs\"]\n",
        "echo z > /data/z; echo z > /modules/z",
    )
    .ok();
    assert!(host.exists("/data/z") && host.exists("/modules/z"));
}

#[test]
fn exposed_paths_of_run_and_sockets() {
    let host = Host::start().unwrap();
    host.write("/usr/local/bin/serve", "#!/usr/bin/python3\nimport socket, sys, os\ns = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.listen(); print('up', flush=True)\nwhile True: c = s.accept()[0]; c.send(b'hello'); c.close()\n", 0o755);
    host.write("/usr/local/bin/ask", "#!/usr/bin/python3\nimport socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1]); print(s.recv(9).decode())\n", 0o755);
    host.sh("root", "mkdir -p /run/munge /run/user/1000 /run/user/1001 /srv/sockets /run/secret; chown alice /run/user/1000; chown bob /run/user/1001; chmod 700 /run/user/* /run/secret; touch /run/other").ok();
    let mut servers = Vec::new();
    for (user, place) in [
        ("root", "/run/munge/s"),
        ("alice", "/run/user/1000/bus"),
        ("root", "/srv/sockets/s"),
        ("root", "/run/secret/s"),
    ] {
        let mut server = host.command(user, &["serve", place]).spawn();
        server.line();
        servers.push(server);
    }
    let policy = "[view]\nexpose = [\"/run/munge\", \"/run/user/{uid}\", \"/srv/sockets/s\", \"/run/secret\", \"/run/not-there\"]\n";
    let asked = under(
        &host,
        policy,
        "ask /run/munge/s; ask /run/user/1000/bus; ask /srv/sockets/s; ls -A /run/user; ls /run/other /run/not-there",
    );
    assert_eq!(
        asked.fails().says("/run/other").stdout,
        "hello\nhello\nhello\n1000\n"
    );
    // What alice could not reach on the host is not reached by being exposed, not by root either.
    host.sh("alice", "ask /run/secret/s").fails();
    host.inside("alice", "ask /run/secret/s").fails();
    host.inside_root("alice", "ask /run/secret/s").fails();
    // By default of these the first two; a socket that is not exposed is a file that nobody answers at.
    under(&host, "", "ask /run/munge/s && ask /run/user/1000/bus").ok();
    host.inside("alice", "ask /srv/sockets/s")
        .fails()
        .says("refused");
    under(&host, "[view]\nexpose = []\n", "ls /run/munge").fails();
    assert_eq!(host.inside("alice", "ls -A /run/user").ok().stdout, "");
}

#[test]
fn devices_that_are_there_are_those_that_are_allowed() {
    let host = Host::start().unwrap();
    host.sh("root", "mknod -m 666 /dev/video0 c 1 3; mknod -m 666 /dev/video1 c 1 5; mknod -m 600 /dev/nvidia0 c 1 3; mkdir /dev/dri; mknod -m 660 /dev/dri/card0 c 1 3; chgrp proj /dev/dri/card0").ok();
    let devices = "cd /dev; for f in $(find . | LC_ALL=C sort | grep -v pts/); do [ ! -L $f ] && [ -c $f -o -b $f ] && echo $f; done; :";
    let plain = "./full\n./null\n./ptmx\n./random\n./tty\n./urandom\n./zero\n";
    let usual = under(&host, "", devices).ok();
    assert_eq!(
        usual.stdout,
        "./dri/card0\n./full\n./fuse\n./null\n./nvidia0\n./ptmx\n./random\n./tty\n./urandom\n./zero\n"
    );
    // Whether one may be opened is decided as on the host.
    let open = host
        .inside(
            "alice",
            "echo > /dev/dri/card0 && echo opened; echo > /dev/nvidia0",
        )
        .fails();
    assert_eq!(
        open.says("/dev/nvidia0: Permission denied").stdout,
        "opened\n"
    );
    host.inside_root("alice", "echo > /dev/nvidia0").fails();
    host.inside("bob", "echo > /dev/dri/card0").fails();
    let few =
        "[devices]\nallow = [\"null\", \"zero\", \"full\", \"random\", \"urandom\", \"tty\"]\n";
    assert_eq!(under(&host, few, devices).ok().stdout, plain);
    let cameras = "[devices]\nallow = [\"null\", \"video*\", \"kmsg\"]\n";
    assert_eq!(
        under(&host, cameras, devices).ok().stdout,
        "./kmsg\n./null\n./ptmx\n./video0\n./video1\n"
    );
    assert_eq!(
        host.inside("alice", "head -c 3 /dev/video1 | od -An -tx1")
            .ok()
            .text(),
        "00 00 00"
    );
    // A device in a directory that the user cannot pass on the host is out of reach, whatever its own mode.
    host.sh("root", "for d in closed shared; do mkdir -m 750 /dev/$d; mknod -m 666 /dev/$d/one c 1 5; done; chgrp proj /dev/shared").ok();
    let both = "[devices]\nallow = [\"null\", \"closed/one\", \"shared/o*\"]\n";
    assert_eq!(
        under(&host, both, devices).ok().stdout,
        "./null\n./ptmx\n./shared/one\n"
    );
    host.inside("alice", "head -c 3 /dev/shared/one").ok();
    under(
        &host,
        "",
        "test -d /dev/shm -a -d /dev/pts -a -L /dev/fd && touch /dev/shm/x",
    )
    .ok();
    assert!(!host.exists("/dev/shm/x"));
}

#[test]
fn capabilities_of_the_environments_root() {
    let host = Host::start().unwrap();
    let sets = "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' /proc/self/status | cut -f 2 | paste -sd ' '";
    let none = "0000000000000000";
    let few = "[root]\ncapabilities = [\"chown\", \"CAP_SETUID\", \"setgid\"]\n";
    let mask = "00000000000000c1";
    assert_eq!(
        root_under(&host, few, sets).ok().text(),
        format!("{none} {mask} {mask} {mask} {none}")
    );
    assert_eq!(
        host.inside("alice", sets).ok().text(),
        format!("{none} {none} {none} {mask} {none}")
    );
    // No setuid program brings back what is withheld, and what is kept works.
    host.inside_root(
        "alice",
        "touch /opt/f && chown 33 /opt/f && setpriv --reuid=33 --clear-groups id -u",
    )
    .ok();
    host.inside_root("alice", "mkdir -m 0 /opt/d; chown 33 /opt/d; ls /opt/d")
        .fails();
    assert_eq!(
        host.inside(
            "alice",
            &format!("sudo bash -c \"{}\"", sets.replace('"', "\\\""))
        )
        .ok()
        .text(),
        format!("{none} {mask} {mask} {mask} {none}")
    );
    root_under(
        &host,
        "[root]\ncapabilities = []\n",
        "touch /opt/g && chown 33 /opt/g",
    )
    .fails();
    root_under(&host, "", "chown 33 /opt/g && hostname new && chroot / true && ls /opt/d && python3 -c 'import socket; socket.socket().bind((\"127.0.0.1\", 0))'").ok();
    // Never anything over the host.
    let all = "[root]\ncapabilities = [\"sys_module\", \"sys_time\", \"sys_boot\", \"net_admin\", \"mknod\", \"sys_admin\", \"sys_rawio\", \"syslog\", \"chown\", \"dac_override\"]\n";
    for attempt in [
        "date -s '2001-01-01'",
        "mknod /opt/sda b 8 0 && head -c 1 /opt/sda",
        "mount -t tmpfs none /mnt",
        "ip link set lo down",
        "echo x > /proc/sys/kernel/hostname && cat /etc/shadow- /root/secret.txt",
    ] {
        root_under(&host, all, attempt).fails();
    }
}

#[test]
fn storage_moves_and_memory_is_limited() {
    let host = Host::builder()
        .disk("/fast", FileSystem::Xfs, "400M")
        .start()
        .unwrap();
    let moved = "[storage]\nstate = \"/fast/caddis\"\nmemory = \"1M\"\n";
    host.policy(moved);
    host.inside("alice", "true")
        .exits(125)
        .says("the veil")
        .says("caddis admin refresh");
    host.sh("root", "caddis admin refresh").ok();
    host.inside_root("alice", "echo mine > /etc/motd").ok();
    assert!(host.exists("/fast/caddis/env/1000/default/@/etc/motd"));
    assert!(!host.exists("/var/lib/caddis/env/1000"));
    assert_eq!(host.look("/fast/caddis").unwrap().st_mode & 0o7777, 0o700);
    for place in ["/tmp", "/dev/shm"] {
        host.inside(
            "alice",
            &format!("head -c 500000 /dev/zero > {place}/f && rm {place}/f"),
        )
        .ok();
        host.inside("alice", &format!("head -c 2000000 /dev/zero > {place}/f"))
            .fails()
            .says("No space left on device");
        host.inside("alice", &format!("rm {place}/f")).ok();
    }
    host.sh("root", "chmod 755 /fast/caddis").ok();
    host.inside("bob", "true")
        .exits(125)
        .says("cannot use /fast/caddis: it must belong to root and be closed to everybody else");
}

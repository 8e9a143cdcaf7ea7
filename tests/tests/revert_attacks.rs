//! Users who are root in their environment, and change what is given up while it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Output};
use caddis_tests::{Environments, HELPER, State, Told, Untouched};
use std::time::Duration;

fn session(host: &Host) -> HostChild {
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    session
}

fn revert(host: &Host, arguments: &str) -> Output {
    let command = format!("caddis revert --yes {arguments}");
    host.command("alice", &["bash", "-c", &command])
        .deadline(Duration::from_secs(60))
        .run()
}

/// Directories, links and files that change places all the time, until its input says something.
const SWAP: &str = r#"
import ctypes, os, random, select, shutil, sys
libc = ctypes.CDLL(None)
# rmtree opens what was a directory a moment ago, and would wait at a FIFO for ever.
real = os.open
os.open = lambda path, flags, *rest, **more: real(path, flags | os.O_NONBLOCK, *rest, **more)
os.chdir('/opt/d')
def write(name):
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK)
    os.write(file, b'mine')
    os.close(file)
kinds = [
    write,
    lambda n: os.symlink('/etc', n),
    lambda n: os.symlink('/opt/d', n),
    lambda n: os.symlink('../../../../../../etc/passwd', n),
    lambda n: (os.makedirs(n + '/a/b', exist_ok=True), write(n + '/a/f')),
    lambda n: os.mkfifo(n),
    lambda n: os.rename('base%d' % random.randrange(4), n),
    lambda n: os.link('/etc/passwd', n),
]
names = ['x', 'y', 'base0', 'base1', 'base2', 'base3', 'x/a', 'y/a', 'base0/a', 'base1/f']
print('ready', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    one, other = random.choice(names), random.choice(names)
    try:
        what = random.randrange(4)
        if what == 0: libc.renameat2(-100, one.encode(), -100, other.encode(), 2)
        elif what == 1: os.rename(one, other)
        elif what == 2: shutil.rmtree(one) if os.path.isdir(one) and not os.path.islink(one) else os.unlink(one)
        else: random.choice(kinds)(one)
    except OSError: pass
print('end', flush=True)
"#;

#[test]
fn names_that_change_places_meanwhile() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir -p /opt/d/base{0,1,2,3}/a; for d in /opt/d/base*; do echo base > $d/f; echo base > $d/a/f; done",
    )
    .ok();
    let _session = session(&host);
    let before = host.files();
    let all = "cd /opt/d; find . -printf '%y %m %U:%G %p %l\\n' | sort; grep -r . .";
    let base = host.sh("root", all).ok().stdout;
    let mut swap = host
        .caddis("alice", &["root", "python3", "-c", SWAP])
        .spawn();
    swap.until("ready");
    for count in 0..25 {
        let output = revert(
            &host,
            if count % 2 == 0 {
                "--all"
            } else {
                "/opt/d/x /opt/d/base0 /opt/d/base1/a"
            },
        );
        // What it could not do, it has said.
        if output.code() != 0 && output.code() != 1 {
            output.told();
        }
    }
    assert!(!swap.has_ended());
    swap.send("end\n");
    swap.until("end\n");
    swap.wait().ok();
    host.still_has(&before);
    revert(&host, "--all").ok();
    assert_eq!(host.inside_root("alice", all).ok().stdout, base);
}

/// What the user may not read on the host is not copied for them, and cannot be had by holding its name.
#[test]
fn what_cannot_be_read_is_not_copied() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir /opt/d; cd /opt/d; echo the-secret > secret; echo open > open; chmod 600 secret; setfattr -n user.x -v the-secret secret; mkfifo fifo; mknod node c 1 3; mkdir -m 700 closed; echo the-secret > closed/file").ok();
    let _session = session(&host);
    host.inside_root(
        "alice",
        "cd /opt/d; for f in secret open fifo node; do echo mine > new; mv new $f; done",
    )
    .ok();
    host.sh("root", "caddis admin refresh --quiet").ok();
    let hold =
        "cd /opt/d; exec 3< secret 4< open 5< fifo 6< node 7< /etc/shadow; echo ready; read -r end";
    host.inside_root("alice", "echo mine > /etc/shadow").ok();
    let mut holder = host.caddis("alice", &["root", "bash", "-c", hold]).spawn();
    holder.until("ready");
    let output = revert(&host, "--all");
    for held in ["secret", "fifo", "node"] {
        assert!(
            output
                .stdout
                .contains(&format!("/opt/d/{held}  (still yours")),
            "{output}"
        );
    }
    assert!(
        output.stdout.contains("/etc/shadow  (still yours"),
        "{output}"
    );
    output.exits(1);
    let seen = host
        .inside_root(
            "alice",
            "cd /opt/d; cat open secret; ls closed; getfattr -d secret",
        )
        .stdout;
    assert_eq!(seen, "open\nmine\n");
    host.sh("root", "! grep -r the-secret /var/lib/caddis/env")
        .ok();
    drop(holder);
    host.sh("alice", "caddis stop").ok();
    revert(&host, "--all").ok();
    host.inside_root("alice", "! cat /opt/d/secret").ok();
}

/// A lease on the base's file makes whoever opens it wait. The helper does not.
#[test]
fn a_lease_keeps_nobody_waiting() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "install -d -o alice /opt/d; echo base > /opt/d/file; chown alice /opt/d/file",
    )
    .ok();
    let _session = session(&host);
    host.inside("alice", "echo mine > /opt/d/new; mv /opt/d/new /opt/d/file")
        .ok();
    let mut holder = host.session("alice", "exec 3< /opt/d/file; echo ready; read -r end");
    holder.until("ready");
    let lease = "import fcntl, os, signal\nsignal.signal(signal.SIGIO, signal.SIG_IGN)\n\
        fd = os.open('/opt/d/file', os.O_RDWR)\nfcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)\nprint('ready', flush=True)\nsignal.pause()\n";
    let mut lessee = host.command("alice", &["python3", "-c", lease]).spawn();
    assert_eq!(lessee.line(), "ready");
    let output = host
        .command("alice", &["caddis", "revert", "--all"])
        .deadline(Duration::from_secs(20))
        .run();
    assert!(output.exits(1).stdout.contains("still yours"));
    assert_eq!(host.inside("alice", "cat /opt/d/file").stdout, "mine\n");
}

/// Deeper than there are descriptors, or than a path can be long; more entries than fit a list; any name at all.
#[test]
fn trees_that_no_program_likes() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir -p /opt/d/dir; echo base > /opt/d/dir/file")
        .ok();
    let _session = session(&host);
    let make = "import os\nos.chdir('/opt/d/dir')\nfor n in range(3000): open(b'\\xff\\n%d' % n, 'w').close()\n\
        os.mkdir('deep'); os.chdir('deep')\nfor n in range(3000): os.mkdir('a' * 100); os.chdir('a' * 100); open('f', 'w').close()\n\
        os.unlink('/opt/d/dir/file'); os.mkdir('/opt/d/dir/file'); os.setxattr('/opt/d/dir/file', 'user.x', b'x' * 2000)\n";
    for running in [true, false] {
        host.caddis("alice", &["root", "python3", "-c", make])
            .run()
            .ok();
        if !running {
            host.sh("alice", "caddis stop").ok();
        }
        let listed = host.sh("alice", "caddis revert --dry-run /opt/d").ok();
        assert!(
            listed.stdout.contains("/opt/d/dir/\\xff\\n17\n"),
            "{listed}"
        );
        let output = host
            .sh("alice", "ulimit -Sn 40; caddis revert --yes -q /opt/d")
            .ok();
        assert_eq!(output.stdout, "");
        let seen = host.inside("alice", "cd /opt/d; ls -A dir; cat dir/file");
        assert_eq!(seen.ok().stdout, "file\nbase\n");
    }
}

/// Requests that `caddis` would not send.
#[test]
fn requests_that_lead_elsewhere() {
    let host = Host::start().unwrap();
    let _session = session(&host);
    host.inside_root("alice", "echo mine > /etc/motd; rm /etc/issue")
        .ok();
    let before = host.files();
    for path in ["/opt/../etc/motd", "/..", "/../../run/caddis", "/etc/.."] {
        host.run("alice", &[HELPER, "revert", "--", path]).told();
    }
    for path in ["etc/motd", "", "."] {
        host.run("alice", &[HELPER, "revert", "--", path]).told();
    }
    for words in [
        &["revert"][..],
        &["revert", "--"],
        &["revert", "--every", "--", "/etc"],
        &["revert", "--all"],
        &["revert", "--every", "--for", "1001:1001"],
        &["revert", "--env", "../default", "--every"],
        &["revert", "--env", "none", "--every"],
    ] {
        host.run("alice", &[&[HELPER], words].concat()).told();
    }
    host.run("bob", &["caddis", "revert", "--all"]).exits(125);
    host.run("root", &["caddis", "revert", "--all"]).exits(125);
    host.caddis("alice", &["run", "caddis", "revert", "--all", "--yes"])
        .run()
        .exits(125);
    assert!(host.first_process(1000, "default").is_some());
    assert_eq!(
        host.inside("alice", "cat /etc/motd; ls /etc/issue 2>&1 | wc -l")
            .stdout,
        "mine\n1\n"
    );
    host.still_has(&before);
}

/// A new file in the place of one that was there when the changes were read is not given up.
#[test]
fn two_at_once_do_no_harm() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir /opt/d; for n in $(seq 300); do echo base > /opt/d/$n; done",
    )
    .ok();
    let _session = session(&host);
    for _ in 0..3 {
        host.inside_root(
            "alice",
            "cd /opt/d; for n in $(seq 300); do echo mine > $n; done; rm 7 8 9",
        )
        .ok();
        let mut others: Vec<HostChild> = (0..3)
            .map(|_| host.spawn("alice", "caddis revert --all --yes -q; caddis run true"))
            .collect();
        others.drain(..).for_each(|other| {
            other.wait().ok();
        });
        host.inside(
            "alice",
            "cd /opt/d; test $(cat * | sort -u) = base -a $(ls | wc -l) = 300",
        )
        .ok();
    }
}

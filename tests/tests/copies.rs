//! `caddis new --from`: a copy is equal to its original inside, and each is changed without the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, RootKind};
use caddis_tests::{Environments, State};

/// Changes of every kind that an upper layer can hold, made by root of the environment.
const CHANGES: &str = r#"
set -e
mkdir /opt/t; cd /opt/t
echo one > file; chown 33:44 file; chmod 4751 file
ln file hard; ln file /etc/hard-elsewhere; ln -s file soft; ln -s /nowhere dangling; ln soft hard-soft
truncate -s 1G sparse; printf middle | dd of=sparse bs=1 seek=500M conv=notrunc status=none
mkfifo fifo; chmod 1777 .; mkdir -m 2750 sub; chgrp 1000 sub
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
python3 -c 'import os; os.setxattr("file", b"user.colour", b"red\0blue")'
setfacl -m u:1000:rw,g:2000:r file; setfacl -d -m u:33:rwx sub
cp /bin/true caps; setcap cap_net_bind_service+ep caps
touch -d '2001-02-03 04:05:06.789' file; touch -h -d '1999-09-09' soft; chattr +i hard 2> /dev/null || :
touch $'odd \n\xff name' -- '-x' '.hidden'; head -c 3000000 /dev/urandom > random
mkdir -p deep/$(printf 'd/%.0s' {1..60}); touch -d 2002-02-02 deep deep/d
# Whiteouts, an opaque directory, a renamed one, a changed and a replaced file of the base.
rm /etc/hostname; rm -r /usr/share/doc/acl
rm -r /etc/skel; mkdir /etc/skel; touch /etc/skel/only
mv /usr/share/lab-tool/old /usr/share/lab-tool/new
echo more >> /etc/passwd; chmod 600 /etc/motd; rm /etc/issue; mkdir /etc/issue; touch /etc/issue/x
chown alice /etc/debian_version
"#;

/// Everything that can be asked about what the changes touched.
const LOOK: &str = r#"
import hashlib, os, stat, sys
def look(path):
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    more = b''
    if stat.S_ISLNK(s.st_mode): more = os.readlink(path)
    elif stat.S_ISREG(s.st_mode) and path != b'/opt/t/sparse': more = hashlib.md5(open(path, 'rb').read()).hexdigest()
    elif path == b'/opt/t/sparse':
        with open(path, 'rb') as f: f.seek(500 << 20); more = f.read(6), s.st_blocks < 1000
    names = [] if kind in (stat.S_IFIFO, stat.S_IFSOCK) else os.listxattr(path, follow_symlinks=False)
    xattrs = sorted((name, os.getxattr(path, name, follow_symlinks=False)) for name in names)
    size = 0 if stat.S_ISDIR(s.st_mode) else s.st_size
    # Locked shadow files are made anew at each start.
    time = 0 if path.count(b'/d') > 3 or b'shadow' in path else s.st_mtime_ns
    print(path, oct(s.st_mode), s.st_uid, s.st_gid, size, time, more, xattrs, links.setdefault(s.st_ino, len(links)) if s.st_nlink > 1 and not stat.S_ISDIR(s.st_mode) else '')
links = {}
for top in [b'/opt', b'/etc', b'/usr/share/doc/acl', b'/usr/share/lab-tool']:
    if not os.path.lexists(top): print(top, 'is not there'); continue
    look(top)
    for directory, names, files in os.walk(top):
        names.sort()
        for name in sorted(names + files): 
            try: look(os.path.join(directory, name))
            except PermissionError: print(directory, name, 'is locked')
"#;

fn compare(host: &Host) {
    host.write(
        "/usr/local/bin/look",
        format!("#!/usr/bin/python3\n{LOOK}"),
        0o755,
    );
    host.inside_root("alice", CHANGES).ok();
    let look = |name: &str| {
        host.caddis("alice", &["root", "-e", name, "look"])
            .run()
            .ok()
            .stdout
    };
    let before = look("default");
    for part in [
        "/etc/hard-elsewhere",
        "b'/usr/share/doc/acl' is not there",
        "lab-tool/new",
        "user.colour",
        "system.posix_acl_default",
        "security.capability",
        "0o104771 33 44",
        "(b'middle', True)",
    ] {
        assert!(before.contains(part), "{part}");
    }
    assert!(!before.contains("/etc/hostname'") && !before.contains("lab-tool/old"));
    host.sh("alice", "caddis new copy --from default").ok();
    let (copy, after) = (look("copy"), look("default"));
    for (mine, theirs) in before.lines().zip(copy.lines()) {
        assert_eq!(mine, theirs);
    }
    assert_eq!((copy.len(), &after), (before.len(), &before));
    // What is done to one is not done to the other.
    let change = "cd /opt/t; echo two > file; rm random hard; dd if=/dev/zero of=sparse bs=1M count=1 conv=notrunc status=none; rm -r deep; echo new > /etc/issue/x";
    host.sh("alice", &format!("caddis root -e copy bash -c '{change}'"))
        .ok();
    assert_eq!(look("default"), before);
    host.sh("alice", "caddis remove --yes copy").ok();
    assert_eq!(look("default"), before);
    host.sh("alice", "caddis stop; caddis run true").ok();
    assert_eq!(look("default"), before);
}

#[test]
fn a_copy_is_equal_and_independent() {
    compare(&Host::start().unwrap());
}

#[test]
fn a_copy_is_equal_where_the_file_system_shares_blocks() {
    let host = Host::builder()
        .root(RootKind::Local(FileSystem::Xfs))
        .start()
        .unwrap();
    compare(&host);
    // And it costs nothing: the blocks of the big file are shared.
    host.inside_root("alice", "head -c 60000000 /dev/urandom > /opt/big; sync")
        .ok();
    let free = || -> i64 {
        host.sh("root", "sync; stat -f -c %f /")
            .ok()
            .text()
            .parse()
            .unwrap()
    };
    let before = free();
    host.sh("alice", "caddis new copy --from default").ok();
    assert!(before - free() < 2000, "{} blocks", before - free());
}

#[test]
fn a_copy_is_refused_while_sessions_run_and_leaves_nothing_when_it_fails() {
    let host = Host::builder()
        .disk("/data", FileSystem::Ext4, "40M")
        .start()
        .unwrap();
    host.policy("[storage]\nstate = \"/data/caddis\"\n");
    host.sh("root", "caddis admin refresh").ok();
    let mut session = host.session("alice", "echo; exec cat");
    session.line();
    let busy = host
        .sh("alice", "caddis new copy --from default")
        .exits(125);
    busy.says("caddis: cannot copy the environment \"default\": sessions are running in it");
    session.close_stdin();
    session.wait().ok();
    host.inside_root("alice", "head -c 20000000 /dev/urandom > /opt/big; sync")
        .ok();
    let full = host
        .sh("alice", "caddis new copy --from default")
        .exits(125);
    full.says("caddis: cannot copy big: No space left on device");
    assert_eq!(
        host.sh("root", "ls -A -I .account /data/caddis/env/1000")
            .ok()
            .text(),
        "default"
    );
    host.sh("alice", "caddis new copy").ok();
    // Killed half-way, the remains go with the next one.
    host.inside_root(
        "alice",
        "rm /opt/big; for i in {1..300}; do echo $i > /opt/$i; done",
    )
    .ok();
    let words = ["new", "second", "--from", "default"];
    host.caddis_killed_at("alice", "mkdirat,openat", 250, &words)
        .run()
        .exits(137);
    assert!(
        host.sh("root", "ls -A -I .account /data/caddis/env/1000")
            .ok()
            .text()
            .starts_with(".copy-")
    );
    host.sh("alice", "caddis new third --from default").ok();
    assert_eq!(
        host.sh("root", "ls -A -I .account /data/caddis/env/1000")
            .ok()
            .stdout,
        "copy\ndefault\nthird\n"
    );
    assert_eq!(
        host.sh("alice", "caddis run -e third cat /opt/300")
            .ok()
            .text(),
        "300"
    );
    assert_eq!(host.first_process(1000, "second"), None);
}

//! What container root reaches with a directory of the host that its user has handed in. It has
//! another id than the user and none of the user's groups, so it gets what a mode gives to
//! everybody, also where that mode denies the user. The guard, between it and the base, would
//! refuse that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;

/// Files of root's and of the group "team", which alice is in, by their modes.
const FILES: [(&str, &str); 8] = [
    // Everybody but the group may do something.
    ("0604", "team"),
    ("0606", "team"),
    ("0600", "root"),
    ("0640", "root"),
    ("0640", "adm"),
    ("0640", "team"),
    ("0660", "team"),
    ("0644", "root"),
];

/// What can be read of the files and written to them, below the directory that is descriptor 5.
const LOOK: &str = r#"
import os
for name in sorted(os.listdir("/opt/kept")):
    done = []
    for what, flags in [("read", os.O_RDONLY), ("write", os.O_WRONLY)]:
        try:
            os.close(os.open("opt/kept/" + name, flags, dir_fd=5))
            done.append(what)
        except OSError:
            pass
    print(name, *done)
"#;

fn host() -> Host {
    let host = Host::start().unwrap();
    let make = FILES.map(|(mode, group)| {
        format!("f=/opt/kept/{mode}-{group}; echo x > $f; chgrp {group} $f; chmod {mode} $f")
    });
    // One more, of which an ACL says that alice has no right: others may read it.
    let acl = "python3 -c \"import os, struct; os.setxattr('/opt/kept/acl', 'system.posix_acl_access', \
        struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in [(1, 6, 2**32 - 1), (2, 0, 1000), \
        (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 4, 2**32 - 1)]))\"";
    let script = format!(
        "groupadd team; usermod -aG team alice; mkdir /opt/kept; {}; echo x > /opt/kept/acl; {acl}",
        make.join("; ")
    );
    host.sh("root", &script).ok();
    host
}

const BY_EVERYBODY: &str = "0600-root\n0604-team read\n0606-team read write\n0640-adm\n0640-root\n0640-team\n\
    0644-root read\n0660-team\nacl read\n";

const BY_ALICE: &str = "0600-root\n0604-team\n0606-team\n0640-adm\n0640-root\n0640-team read\n0644-root read\n\
    0660-team read write\nacl\n";

#[test]
fn a_directory_of_the_hosts_gives_container_root_what_everybody_has() {
    let host = host();
    host.write("/home/alice/look", LOOK, 0o755);
    let look = "python3 ~alice/look 5< /";
    // The user on the host; and anybody who is in none of the groups.
    assert_eq!(host.sh("alice", look).ok().stdout, BY_ALICE);
    let nobody = "cd /; setpriv --reuid=31041 --regid=31041 --clear-groups python3 - 5< /";
    let nobody = host
        .command("root", &["bash", "-c", nobody])
        .stdin(LOOK)
        .run();
    assert_eq!(nobody.ok().stdout, BY_EVERYBODY);
    // Through the view, neither the user nor container root reads what the user may not.
    for role in ["run", "root"] {
        let inside = host.caddis("alice", &[role, "bash", "-c", look]).run().ok();
        let read = |name: &str| {
            let line = inside
                .stdout
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap();
            line.contains("read")
        };
        for name in [
            "0600-root",
            "0604-team",
            "0606-team",
            "0640-adm",
            "0640-root",
            "acl",
        ] {
            assert!(!read(name), "{role}: {inside}");
        }
        assert!(read("0644-root"), "{role}: {inside}");
    }
    // Handed in as a standard stream.
    for (role, expected) in [("run", BY_ALICE), ("root", BY_EVERYBODY)] {
        let script = format!("caddis {role} bash -c 'python3 ~alice/look 5<&0 0< /dev/null' < /");
        assert_eq!(host.sh("alice", &script).ok().stdout, expected, "{role}");
    }
}

/// So to refuse directories as standard streams would close nothing.
#[test]
fn a_socket_in_the_home_directory_hands_one_in_as_well() {
    let host = host();
    let give = "import os, socket\n\
        server = socket.socket(socket.AF_UNIX)\n\
        server.bind('/home/alice/s')\n\
        os.chmod('/home/alice/s', 0o777)\n\
        server.listen()\n\
        print('ready', flush=True)\n\
        other, _ = server.accept()\n\
        socket.send_fds(other, [b'x'], [os.open('/', os.O_RDONLY)])\n";
    let mut giver = host.command("alice", &["python3", "-c", give]).spawn();
    assert_eq!(giver.line(), "ready");
    let take = format!(
        "import socket\n\
         here = socket.socket(socket.AF_UNIX)\n\
         here.connect('/home/alice/s')\n\
         os_fd = socket.recv_fds(here, 1, 1)[1][0]\n\
         import os; os.dup2(os_fd, 5)\n{LOOK}"
    );
    let took = host
        .caddis("alice", &["root", "python3", "-c", &take])
        .run()
        .ok();
    assert_eq!(took.stdout, BY_EVERYBODY);
    giver.wait().ok();
}

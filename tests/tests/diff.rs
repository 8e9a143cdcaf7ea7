//! What `caddis diff` says was changed in an environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, eventually};
use caddis_tests::{Environments, State};

/// A tree of the base, and what alice does with it.
const BASE: &str = "mkdir -p /opt/d/sub /opt/gone /opt/move/deep /opt/opq/x; cd /opt; \
     echo one > d/f; echo two > d/sub/g; ln -s f d/l; echo t > d/t; echo same > d/same; \
     echo x > gone/x; echo y > move/deep/y; echo z > move/z; echo 1 > opq/a; echo 2 > opq/b";
const CHANGES: &str = "set -e; cd /opt; echo more >> d/f; chmod 600 d/sub/g; rm d/l; ln -s g d/l; rm d/t; mkdir d/t; touch d/t/in; \
     touch d/same; chmod 700 d/sub; chmod 755 d/sub; rm -r gone; mv move moved; echo zz > moved/z; \
     rm -r opq; mkdir opq; echo 2 > opq/b; echo n > opq/n; mkdir -p /new/dir; mv moved/deep /new/; \
     mv /srv/proj /srv/away; mv /srv/away /srv/proj";

fn host() -> Host {
    let host = Host::start().unwrap();
    host.sh("root", BASE).ok();
    host.inside_root("alice", CHANGES).ok();
    host
}

/// What `caddis diff` with these arguments writes for alice.
#[track_caller]
fn diff(host: &Host, arguments: &[&str]) -> String {
    let output = host.caddis("alice", &[&["diff"], arguments].concat()).run();
    output.ok().stdout
}

const SHORT: &str = "\
A  /new/
A  /new/deep/ (moved from /opt/move/deep/)
A  /new/dir/
M  /opt/d/f
M  /opt/d/l
P  /opt/d/sub/g
T  /opt/d/t/
A  /opt/d/t/in
D  /opt/gone/
D  /opt/move/
A  /opt/moved/ (moved from /opt/move/)
D  /opt/moved/deep/
M  /opt/moved/z
D  /opt/opq/a
A  /opt/opq/n
D  /opt/opq/x/
";

#[test]
fn every_kind_of_change_running_and_stopped() {
    let host = host();
    assert_eq!(diff(&host, &[]), SHORT);
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    assert_eq!(diff(&host, &[]), SHORT);
    drop(session);
    host.caddis("alice", &["stop"]).run().ok();
    assert_eq!(diff(&host, &[]), SHORT);
    // Root looks after her environment; bob has none.
    let root = host.caddis("root", &["diff", "--user", "alice"]).run();
    assert_eq!(root.ok().stdout, SHORT);
    host.caddis("bob", &["diff"])
        .run()
        .exits(125)
        .says("none of that name");
    host.caddis("bob", &["diff", "--user", "alice"])
        .run()
        .exits(125)
        .says("only root");
}

#[test]
fn only_where_it_is_asked_for() {
    let host = host();
    let expected = "D  /opt/gone/\nD  /opt/opq/a\nA  /opt/opq/n\nD  /opt/opq/x/\n";
    assert_eq!(diff(&host, &["/opt/opq", "/opt/gone/x"]), expected);
    assert_eq!(diff(&host, &["/opt/d/f"]), "M  /opt/d/f\n");
    assert_eq!(diff(&host, &["/opt/d/same", "/etc", "/no/such/place"]), "");
    let relative = host
        .caddis("alice", &["diff", "../d/./f", "opq/n"])
        .cwd("/opt/d")
        .run();
    assert_eq!(relative.ok().stdout, "M  /opt/d/f\n");
    // A whole deleted tree is told by its top; a moved one by where it was.
    let moved = "A  /opt/moved/ (moved from /opt/move/)\nM  /opt/moved/z\n";
    assert_eq!(diff(&host, &["/opt/moved/z"]), moved);
}

#[test]
fn what_is_equal_is_no_change() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir /opt/d; echo one > /opt/d/f; setfacl -m u:bob:r /opt/d/f; truncate -s 100M /opt/d/sparse")
        .ok();
    host.inside_root("alice", "cd /opt/d; touch f sparse; chmod 700 f; setfacl -m u::rw,u:bob:r,g::r,o::r f; chmod 644 /etc/motd; mv f g; mv g f; \
         echo one > h; cat h > f; rm h; mkdir /opt/new; rmdir /opt/new; getfacl f")
        .ok();
    assert_eq!(diff(&host, &[]), "");
    assert_eq!(diff(&host, &["--json"]), "[]\n");
    assert_eq!(diff(&host, &["--stat"]), "");
    // Said on a terminal only.
    let mut pty = host
        .command("alice", &["caddis", "diff"])
        .env("TERM", "xterm")
        .pty();
    pty.expect("Nothing is changed.");
    host.inside_root("alice", "setfacl -m u:bob:rw /opt/d/f")
        .ok();
    assert_eq!(diff(&host, &[]), "P  /opt/d/f\n");
    host.inside_root("alice", "setfacl -m u:bob:r /opt/d/f; printf x | dd of=/opt/d/sparse bs=1 seek=50M conv=notrunc status=none").ok();
    assert_eq!(diff(&host, &[]), "M  /opt/d/sparse\n");
}

#[test]
fn a_patch_makes_one_tree_of_the_other() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir -p /opt/p/s; cd /opt/p; seq 100 > long; printf 'no end' > end; echo x > gone; echo q > 'with space'; printf 'a\\0b' > binary; echo k > s/kept")
        .ok();
    host.inside_root("alice", "cd /opt/p; sed -i '3d;50s/.*/fifty/;90a more' long; printf 'no end\\nmore' > end; rm gone; echo r > 'with space'; printf 'a\\0c' > binary; mkdir n; echo new > n/file; chmod 755 s/kept")
        .ok();
    let patch = diff(&host, &["--patch", "/opt/p"]);
    assert!(
        patch.contains("Binary files a/opt/p/binary and b/opt/p/binary differ\n"),
        "{patch}"
    );
    assert!(
        patch.contains("old mode 100644\nnew mode 100755\n"),
        "{patch}"
    );
    assert!(patch.contains("\\ No newline at end of file\n"), "{patch}");
    assert!(patch.contains("@@ -47,7 +46,7 @@\n"), "{patch}");
    host.write("/patch", &patch, 0o644);
    host.write("/patch.py", include_str!("../models/patch.py"), 0o755);
    let script = "mkdir -p /copy/opt; cp -a /opt/p /copy/opt/; python3 /patch.py /copy < /patch; cd /copy/opt/p; \
         rm binary; tail -n +1 $(find -type f | sort | tr ' ' '?')";
    let patched = host.sh("root", script).ok().stdout;
    let inside = "cd /opt/p; find -type f ! -name binary | sort | tr ' ' '?'";
    let inside = host.inside("alice", &format!("cd /opt/p; tail -n +1 $({inside})"));
    assert_eq!(patched, inside.ok().stdout);
    let stat = diff(&host, &["--stat", "/opt/p"]);
    let expected = "\x20/opt/p/binary     | Bin 3 -> 3 bytes
 /opt/p/end        |   3 ++-
 /opt/p/gone       |   1 -
 /opt/p/long       |   4 ++--
 /opt/p/n/         | A
 /opt/p/n/file     |   1 +
 /opt/p/s/kept     |   0
 /opt/p/with space |   2 +-
 8 names changed, 6 insertions(+), 5 deletions(-)
";
    assert_eq!(stat, expected);
}

#[test]
fn odd_names_survive() {
    let host = Host::start().unwrap();
    host.inside_root(
        "alice",
        "mkdir /opt/n; cd /opt/n; touch $'a\\n\\e[31m' $'b\\xff' 'c d' é",
    )
    .ok();
    let short = "A  /opt/n/\nA  /opt/n/a\\n\\e[31m\nA  /opt/n/b\\xff\nA  /opt/n/c d\nA  /opt/n/é\n";
    assert_eq!(diff(&host, &[]), short);
    let raw = host
        .caddis("alice", &["diff", "--name-only", "-z"])
        .run()
        .ok()
        .raw_stdout;
    assert_eq!(
        raw,
        b"/opt/n\0/opt/n/a\n\x1b[31m\0/opt/n/b\xff\0/opt/n/c d\0/opt/n/\xc3\xa9\0"
    );
    let json = diff(&host, &["--json"]);
    assert!(json.contains("\"path_encoded\": \"/opt/n/b%FF\""), "{json}");
    assert_eq!(json.matches("path_encoded").count(), 1);
}

#[test]
fn other_file_systems_and_places_of_mounts() {
    let host = Host::builder()
        .disk("/data", FileSystem::Xfs, "400M")
        .start()
        .unwrap();
    host.sh("root", "mkdir /data/d; echo a > /data/d/f; chmod 755 /data")
        .ok();
    host.inside_root(
        "alice",
        "echo b > /data/d/f; echo c > /data/new; chmod 700 /data; echo > /etc/shadow",
    )
    .ok();
    let expected = "M  /etc/shadow\nP  /data/\nM  /data/d/f\nA  /data/new\n";
    assert_eq!(diff(&host, &[]), expected);
    assert_eq!(diff(&host, &["/data/d"]), "M  /data/d/f\n");
    // What lies where something else is mounted is not seen inside.
    host.caddis("alice", &["stop"]).run().ok();
    host.sh(
        "root",
        "cd /var/lib/caddis/env/1000/default/@; mkdir dev proc data; touch dev/x proc/y data/z",
    )
    .ok();
    assert_eq!(diff(&host, &[]), expected);
    // The old text of a file with locked passwords is the one seen inside.
    let patch = diff(&host, &["--patch", "/etc/shadow"]);
    assert!(patch.contains("-alice:*"), "{patch}");
    let hash = host
        .sh("root", "grep ^alice /etc/shadow | cut -d: -f2")
        .ok()
        .stdout;
    assert!(
        hash.trim().len() > 5 && !patch.contains(hash.trim()),
        "{patch}"
    );
}

#[test]
fn a_pager_and_colour_on_a_terminal_only() {
    let host = host();
    let on_terminal = |pager: &str| {
        let command = host.command("alice", &["caddis", "diff", "/opt/d/f"]);
        command
            .env("TERM", "xterm")
            .env("CADDIS_PAGER", pager)
            .pty()
    };
    on_terminal("sed s/^/paged:/").expect("paged:\u{1b}[33mM \u{1b}[0m /opt/d/f");
    on_terminal("cat").expect("\u{1b}[33mM \u{1b}[0m /opt/d/f");
    // One that leaves at once is no failure.
    let script = "CADDIS_PAGER=true caddis diff; echo status=$?";
    host.command("alice", &["bash", "-c", script])
        .env("TERM", "xterm")
        .pty()
        .expect("status=0");
    let piped = host.command("alice", &["caddis", "diff", "/opt/d/f"]);
    let piped = piped
        .env("TERM", "xterm")
        .env("CADDIS_PAGER", "sed s/^/paged:/")
        .run();
    assert_eq!(piped.ok().stdout, "M  /opt/d/f\n");
}

#[test]
fn the_caller_can_end_it() {
    let host = Host::start().unwrap();
    // More than a pipe holds, so that it waits for its reader.
    host.inside_root("alice", "mkdir /opt/many; cd /opt/many; touch {1..5000}")
        .ok();
    let script = "mkfifo /tmp/f; exec 7<>/tmp/f; /usr/local/libexec/caddis/caddis-helper diff >&7 & \
         until grep -q 'NoNewPrivs.*1' /proc/$!/status; do :; done; kill $!; wait $!; echo status=$?";
    let output = host.sh("alice", script);
    assert!(output.text().contains("status=143"), "{output}");
    eventually("what reads for it has ended, too", || {
        host.count("caddis-helper") == 0
    });
}

#[test]
fn many_attributes_are_compared_as_well() {
    let host = Host::start().unwrap();
    let set = "import os\nfor i in range(40): os.setxattr('/opt/many', f'user.a-rather-long-name-{i}', b'x')";
    host.sh("root", "echo text > /opt/many").ok();
    host.command("root", &["python3", "-"])
        .stdin(set)
        .run()
        .ok();
    host.inside_root("alice", "chmod 600 /opt/many; chmod 644 /opt/many")
        .ok();
    let diff = || host.sh("alice", "caddis diff").ok().stdout;
    assert_eq!(diff(), "");
    host.inside_root(
        "alice",
        "setfattr -n user.a-rather-long-name-39 -v y /opt/many",
    )
    .ok();
    assert_eq!(diff(), "P  /opt/many\n");
}

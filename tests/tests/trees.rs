//! Trees that only a hostile or unlucky user makes are copied, measured and removed as any other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::Environments;
use std::time::Duration;

const STATE: &str = "/var/lib/caddis/env/1000";

fn caddis(host: &Host, words: &[&str]) -> Output {
    let command = host.caddis("alice", words);
    command.deadline(Duration::from_secs(120)).run()
}

/// Python as root of the environment `name`.
fn python(host: &Host, name: &str, program: &str) -> Output {
    caddis(host, &["root", "-e", name, "python3", "-c", program])
}

/// What is left on disk of alice's environments, and of their instances.
fn left(host: &Host) -> String {
    let list =
        format!("ls -A -I .account {STATE} /run/caddis/1000 2> /dev/null | grep -v : | grep .");
    host.sh("root", &list).text().to_owned()
}

/// Makes directories in each other, a file in every hundredth, and says how deep it got.
const DEEP: &str = "import os
os.mkdir('/opt/deep'); os.chdir('/opt/deep')
for level in range(3000):
    os.mkdir('d'); os.chdir('d')
    if level % 100 == 0: open('file', 'w').write(str(level))
open('bottom', 'w').write('bottom')";

const HOW_DEEP: &str = "import os
os.chdir('/opt/deep'); level = files = 0
while os.path.isdir('d'):
    os.chdir('d'); files += os.path.exists('file') and open('file').read() == str(level); level += 1
print(level, files, open('bottom').read())";

#[test]
fn a_very_deep_tree_is_copied_measured_and_removed() {
    let host = Host::start().unwrap();
    python(&host, "deep", DEEP).ok();
    assert_eq!(
        python(&host, "deep", HOW_DEEP).ok().text(),
        "3000 30 bottom"
    );
    caddis(&host, &["stop", "deep"]).ok();
    caddis(&host, &["list"]).ok();
    caddis(&host, &["new", "copy", "--from", "deep"]).ok();
    assert_eq!(
        python(&host, "copy", HOW_DEEP).ok().text(),
        "3000 30 bottom"
    );
    assert_eq!(
        python(&host, "deep", HOW_DEEP).ok().text(),
        "3000 30 bottom"
    );
    caddis(&host, &["remove", "--yes", "deep"]).ok();
    // With few descriptors, which is the caller's to choose, a removal goes on; a copy may say that they do not suffice.
    caddis(&host, &["stop", "copy"]).ok();
    let few = "ulimit -n 300; caddis new second --from copy";
    let refused = host.sh("alice", few).exits(125);
    assert!(
        refused.stderr.starts_with("caddis: cannot ")
            && refused.stderr.ends_with(" d: Too many open files\n"),
        "{refused}"
    );
    assert_eq!(left(&host), "copy");
    host.sh(
        "alice",
        "ulimit -n 300; caddis list && caddis remove --yes copy",
    )
    .ok();
    assert_eq!(left(&host), "");
}

/// A removal that is killed half-way, where parts of the tree have been moved beside each other, goes on with the next.
#[test]
fn a_removal_of_a_deep_tree_that_was_killed_is_finished_by_the_next() {
    let host = Host::start().unwrap();
    for (number, call) in [
        (1, "renameat2"),
        (3, "renameat2"),
        (9, "renameat2"),
        (1500, "unlinkat"),
    ] {
        python(&host, "deep", DEEP).ok();
        caddis(&host, &["stop", "deep"]).ok();
        let words = ["remove", "--yes", "deep"];
        host.caddis_killed_at("alice", call, number, &words)
            .run()
            .exits(137);
        let after = left(&host);
        assert!(
            after.contains(".removed-") || after.contains("deep"),
            "{after}"
        );
        caddis(&host, &["list"]).ok();
        // Whatever was left of it, and no more.
        caddis(&host, &["new", "other"]).ok();
        host.sh(
            "alice",
            "caddis remove --yes deep; caddis remove --yes other",
        )
        .ok();
        let on_disk = host.sh("root", &format!("ls -A -I .account {STATE}"));
        assert_eq!(on_disk.text(), "", "killed at {call} {number}");
    }
}

/// What is too deep to be kept open is moved up, a thousand directories from one place. On the old
/// code each was offered the names of all before it: half a million renames.
#[test]
fn many_directories_that_are_moved_up_cost_one_rename_each() {
    let host = Host::start().unwrap();
    // Wherever the limit is within these levels: at one of them, all directories are moved up.
    let many = "import os
os.mkdir('/opt/wide'); os.chdir('/opt/wide')
for level in range(205):
    os.mkdir('d')
    if level > 185:
        for number in range(1000): os.mkdir(f'w{number}')
    os.chdir('d')";
    python(&host, "wide", many).ok();
    caddis(&host, &["stop", "wide"]).ok();
    let script = "strace -f -u alice -o /srv/trace -e trace=renameat2 caddis remove --yes wide > /dev/null 2>&1 \
                  && grep -c '[.]removing-' /srv/trace";
    let count: u32 = host.sh("root", script).ok().text().parse().unwrap();
    // Twice: two processes may write in between of one line of a call.
    assert!((1000..=2010).contains(&count), "{count}");
    let left = left(&host);
    assert!(!left.contains("wide") && !left.contains(".rem"), "{left}");
}

/// Names, modes and kinds of files.
const ODD: &str = r#"
import os, socket, stat
os.mkdir('/opt/odd'); os.chdir('/opt/odd')
names = [b'\xff\xfe', b'\n', b'\x1b[31m', b' ', b'-rf', b'*', b'...', b'.removing-0', b'.removed-1', b'.copy-1', b'\xc3\x28', b'x' * 255,
         b'.wh.x', b'@', b'%2f', b'\\', b'a\tb', '\u202e'.encode()]
for name in names:
    os.mkdir(name); open(name + b'/' + name, 'wb').write(name); os.symlink(name, name + b'/link')
for mode in [0, 0o100, 0o222, 0o444, 0o1000, 0o4000, 0o7777]:
    os.mkdir(f'd{mode:o}'); open(f'd{mode:o}/in', 'w').write('x'); os.mkdir(f'd{mode:o}/sub')
    open(f'f{mode:o}', 'w').write('x')
os.mkfifo('fifo'); os.mkfifo('fifo0', 0)
socket.socket(socket.AF_UNIX).bind('socket')
os.symlink('/etc/shadow', 'link'); os.symlink('..', 'up'); os.symlink('loop', 'loop'); os.symlink('x' * 4000, 'long')
os.chown('link', 1000, 1000, follow_symlinks=False)
os.mkdir('many')
for number in range(3000): os.link('f444', f'many/{number}')
for mode in [0, 0o100, 0o222, 0o444, 0o1000, 0o4000, 0o7777]:
    for name in (f'd{mode:o}/sub', f'd{mode:o}/in', f'd{mode:o}', f'f{mode:o}'):
        os.chown(name, mode % 60000, 65534); os.chmod(name, mode)
"#;

const LOOK: &str = r#"
import hashlib, os
lines = []
for top, directories, files in os.walk(b'/opt/odd'):
    for name in directories + files:
        path = os.path.join(top, name); s = os.lstat(path)
        more = os.readlink(path) if os.path.islink(path) else open(path, 'rb').read() if os.path.isfile(path) else b''
        lines.append(repr((path, oct(s.st_mode), s.st_uid, s.st_gid, s.st_nlink if not os.path.isdir(path) else 0, more)))
print(len(lines), hashlib.sha256('\n'.join(sorted(lines)).encode()).hexdigest())
"#;

#[test]
fn odd_names_modes_and_kinds_of_files_are_copied_and_removed() {
    let host = Host::start().unwrap();
    python(&host, "odd", ODD).ok();
    let original = python(&host, "odd", LOOK).ok();
    let count: u32 = original.text().split(' ').next().unwrap().parse().unwrap();
    assert!(count > 3000, "{original}");
    caddis(&host, &["stop", "odd"]).ok();
    // Nobody who reads a FIFO of the user's would come back.
    caddis(&host, &["new", "copy", "--from", "odd"]).ok();
    assert_eq!(python(&host, "copy", LOOK).ok().stdout, original.stdout);
    let listed = caddis(&host, &["list"]).ok();
    assert!(!listed.stdout.contains('\u{1b}'), "{listed}");
    caddis(&host, &["stop", "copy"]).ok();
    caddis(&host, &["remove", "--yes", "odd", "copy"]).ok();
    assert_eq!(left(&host), "");
    // Links led nowhere: what they name is still there.
    host.sh("root", "test -s /etc/shadow && test -d /opt").ok();
}

/// Root of an environment cannot set it, but the host's root can, and a backup may bring it back.
#[test]
fn a_file_that_cannot_be_removed_is_named() {
    let host = Host::start().unwrap();
    caddis(&host, &["root", "touch", "/etc/mine", "/etc/other"]).ok();
    caddis(&host, &["root", "chattr", "+i", "/etc/mine"]).fails();
    caddis(&host, &["stop"]).ok();
    host.sh("root", &format!("chattr +i {STATE}/default/@/etc/mine"))
        .ok();
    let refused = caddis(&host, &["remove", "--yes", "default"]).exits(125);
    assert_eq!(
        refused.stderr,
        "caddis: cannot remove mine: Operation not permitted\n"
    );
    // It is away for its user all the same, who can use the name again; the rest goes once it can.
    assert_eq!(caddis(&host, &["list", "--json"]).ok().text(), "[]");
    host.sh("root", &format!("chattr -i {STATE}/.removed-*/@/etc/mine"))
        .ok();
    caddis(&host, &["new", "default"]).ok();
    let on_disk = host.sh("root", &format!("ls -A -I .account {STATE}")).ok();
    assert_eq!(on_disk.text(), "default");
}

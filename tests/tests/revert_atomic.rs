//! While something is given up, each path shows the old or the new: never nothing, never a mixture, also when the one
//! who does it is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;

const BASE: &str = "set -e; mkdir -p /opt/d/tree/sub /opt/d/gone /opt/d/own; cd /opt/d; yes base | head -n 30000 > file
    cp file held; cp file early; echo base > tree/file; echo base > tree/sub/file; echo base > gone/file; echo base > link.to; ln -s link.to link";

/// Changes all of it, each path in one step, and says so.
const CHANGE: &str = r#"
import ctypes, os, shutil
libc = ctypes.CDLL(None, use_errno=True)
os.chdir('/opt/d')
def put(name, text):
    with open('.new', 'w') as file: file.write(text)
    os.rename('.new', name)
for name in ['file', 'held', 'early']: put(name, 'mine\n' * 30000)
os.makedirs('.tree/sub', exist_ok=True)
for name in ['.tree/file', '.tree/sub/file', '.tree/more']:
    with open(name, 'w') as file: file.write('mine\n')
assert libc.renameat2(-100, b'.tree', -100, b'tree', 2) == 0, ctypes.get_errno()
shutil.rmtree('.tree')
os.symlink('held', '.link'); os.rename('.link', 'link')
os.makedirs('own/a', exist_ok=True); put('own/a/file', 'mine\n')
shutil.rmtree('gone', ignore_errors=True)
"#;

/// Reads all of it again and again until told to stop; says what is wrong, and how often it has read.
const READ: &str = r#"
import os, sys, threading
os.chdir('/opt/d')
old, new = b'mine\n', b'base\n'
early = open('early')
keep = {}
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
print('ready', flush=True)
rounds, seen, wrong = 0, set(), set()
while not stop.is_set():
    rounds += 1
    for name in ['file', 'held', 'early', 'tree/file', 'tree/sub/file', '/opt/d/tree/sub/../file', 'link']:
        try:
            os.lstat(name)
            with open(name, 'rb') as file:
                text = file.read()
                if name == 'held' and rounds % 3: keep[rounds % 7] = os.dup(file.fileno()) if rounds % 7 not in keep else keep[rounds % 7]
        except OSError as error:
            wrong.add(f'{name}: {error.strerror}')
            continue
        seen.add((name, text[:5]))
        if text not in (old, new, old * 30000, new * 30000): wrong.add(f'{name}: {len(text)} bytes, {text[:20]}')
    try:
        with open('gone/file', 'rb') as file:
            if file.read() != new: wrong.add('gone/file')
    except FileNotFoundError: pass
    except OSError as error:
        if error.errno != 116: wrong.add(f'gone: {error.strerror}')
    if rounds % 50 == 0:
        for one in keep.values(): os.close(one)
        keep.clear()
print(rounds, len(seen), sorted(wrong), flush=True)
"#;

#[test]
fn a_reader_sees_the_old_or_the_new() {
    let host = Host::start().unwrap();
    host.sh("root", BASE).ok();
    let mut readers: Vec<_> = (0..2)
        .map(|_| {
            host.caddis("alice", &["run", "python3", "-c", READ])
                .spawn()
        })
        .collect();
    readers
        .iter_mut()
        .for_each(|reader| assert_eq!(reader.line(), "ready"));
    for round in 0..30 {
        host.caddis("alice", &["root", "python3", "-c", CHANGE])
            .run()
            .ok();
        let output = host.sh("alice", "caddis revert --all --yes");
        assert!([0, 1].contains(&output.code()), "{round}: {output}");
    }
    for mut reader in readers {
        reader.send("stop\n");
        let said = reader.line();
        let (count, rest) = said.split_once(' ').unwrap();
        assert!(count.parse::<u32>().unwrap() > 50, "{said}");
        assert_eq!(rest, "14 []", "{said}");
    }
    host.sh("alice", "caddis revert --all --yes").ok();
    let seen = host.inside("alice", "cd /opt/d; cmp file held; cmp file early; head -qn1 file tree/sub/file gone/file; ls own tree").ok();
    assert_eq!(seen.stdout, "base\nbase\nbase\nown:\n\ntree:\nfile\nsub\n");
}

const CALLS: &str =
    "renameat2,unlinkat,mkdirat,setxattr,removexattr,fsconfig,utimensat,fchmodat,fchownat,openat2";

/// Killed before every one of its changes, it leaves each path old or new; the next one finishes.
fn killed_anywhere(running: bool, step: usize) {
    let host = Host::start().unwrap();
    host.sh("root", BASE).ok();
    let _session = running.then(|| {
        let mut session = host.session("alice", "exec 3< /opt/d/early; echo ready; read -r end");
        session.until("ready");
        session
    });
    let look = "cd /opt/d; head -qn1 file held early link tree/file tree/sub/file | tr '\n' ' '; cat gone/file 2>&1";
    let mut killed = 0;
    for number in (1..2000).step_by(step) {
        host.caddis("alice", &["root", "python3", "-c", CHANGE])
            .run()
            .ok();
        if !running {
            host.sh("alice", "caddis stop").ok();
        }
        let outcome = host
            .caddis_killed_at("alice", CALLS, number, &["revert", "--all", "--yes"])
            .run();
        let seen = host.inside("alice", look).stdout;
        let words = seen.split_whitespace().take(6);
        assert!(
            words.clone().count() == 6
                && words.clone().all(|word| ["mine", "base"].contains(&word)),
            "{number}: {seen}"
        );
        assert!(
            ["base\n", "cat: gone/file: No such file or directory\n"]
                .iter()
                .any(|end| seen.ends_with(end)),
            "{number}: {seen}"
        );
        if !running {
            host.sh("alice", "caddis stop").ok();
        }
        host.sh("alice", "caddis revert --all --yes").ok();
        let seen = host.inside("alice", look).stdout;
        assert_eq!(seen, "base base base base base base base\n", "{number}");
        let names = host.inside("alice", "cd /opt/d; ls -A . own tree").stdout;
        assert_eq!(
            names,
            ".:\nearly\nfile\ngone\nheld\nlink\nlink.to\nown\ntree\n\nown:\n\ntree:\nfile\nsub\n",
            "{number}"
        );
        let stash = host
            .sh(
                "root",
                "ls /var/lib/caddis/env/1000/default/@.work/reverted 2> /dev/null",
            )
            .stdout;
        assert_eq!(stash, "", "{number}");
        if outcome.code() == 0 {
            break;
        }
        killed += 1;
    }
    assert!(killed > 8, "{killed}");
}

#[test]
fn killed_anywhere_while_nothing_runs() {
    killed_anywhere(false, 2);
}

#[test]
fn killed_anywhere_while_a_session_runs() {
    killed_anywhere(true, 3);
}

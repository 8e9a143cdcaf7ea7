//! Whatever is done in an environment, and then in a try of it: kept, the environment is what the try was; discarded,
//! what it was before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Does random things below `/opt/t`, which the base has too, from a seed; then prints what there is: names, types,
/// modes, owners, times, content, links, extended attributes, and which names are one file.
const PROGRAM: &str = r#"
import hashlib, os, random, shutil, stat, sys
seed, count, look = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
random.seed(seed)
os.chdir('/opt/t')
NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

def paths():
    return sorted([os.path.join(top, name) for top, ds, fs in os.walk('.') for name in ds + fs])

def is_dir(path):
    return os.path.isdir(path) and not os.path.islink(path)

def directories():
    return ['.'] + [path for path in paths() if is_dir(path)]

def new():
    # Mostly where there is nothing yet, so that something is left in the end.
    for number in range(4):
        path = os.path.join(random.choice(directories()), random.choice(NAMES))
        if not os.path.lexists(path): break
    return path

def clear(path):
    if is_dir(path): shutil.rmtree(path)
    elif os.path.lexists(path): os.unlink(path)

def write(path):
    clear(path)
    with open(path, 'w') as file: file.write(str(random.random()))

def change(path):
    if os.path.isfile(path) and not os.path.islink(path):
        with open(path, 'a') as file: file.write('+')

def move(path, to):
    if (to + '/').startswith(path + '/') or (path + '/').startswith(to + '/'): return
    clear(to); os.rename(path, to)

def swap(one, two):
    if (two + '/').startswith(one + '/') or (one + '/').startswith(two + '/'): return
    os.rename(one, 'swap'); os.rename(two, one); os.rename('swap', two)

def link(path, to):
    if is_dir(path) or to == path or path.startswith(to + '/'): return
    clear(to); os.link(path, to, follow_symlinks=False)

def step():
    existing = paths() or ['.']
    some = lambda: random.choice(existing)
    inner = [path for path in existing if is_dir(path)]
    kind = random.randrange(15)
    if kind == 0: write(new())
    elif kind == 1: change(some())
    elif kind == 2:
        path = some()
        if not is_dir(path) or random.random() < .3: clear(path)
    elif kind in (3, 4):
        path = new(); clear(path); os.mkdir(path)
        if random.random() < .5: write(path + '/in')
    elif kind in (5, 6, 7) and inner: move(random.choice(inner), new())
    elif kind == 8: move(some(), new())
    elif kind in (9, 10) and len(inner) > 1: swap(*random.sample(inner, 2))
    elif kind == 11: link(some(), new())
    elif kind == 12:
        path = new(); clear(path); os.symlink(random.choice(NAMES), path)
    elif kind == 13:
        path = some(); os.chown(path, random.randrange(99), 7, follow_symlinks=False)
        if not os.path.islink(path): os.chmod(path, random.choice([0o700, 0o4755, 0o1777, 0]))
    elif kind == 14:
        path = some()
        if not os.path.islink(path) and not stat.S_ISFIFO(os.lstat(path).st_mode):
            os.setxattr(path, 'user.' + random.choice(NAMES), str(random.random()).encode())
        else: clear(path); os.mkfifo(path)

for number in range(count):
    if os.path.lexists('swap'): clear('swap')
    step()

groups = {}
lines = []
for path in ['.'] + paths():
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    more = os.readlink(path) if kind == stat.S_IFLNK else open(path).read() if kind == stat.S_IFREG else ''
    xattrs = [] if kind == stat.S_IFLNK else [(name, os.getxattr(path, name)) for name in sorted(os.listxattr(path))]
    same = groups.setdefault(s.st_ino, path) if kind == stat.S_IFREG else ''
    lines.append(repr((path, oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns, same, more, xattrs)))
if look == 'links':
    found = {}
    for path in paths():
        s = os.lstat(path)
        if stat.S_ISREG(s.st_mode): found.setdefault((s.st_dev, s.st_ino), (s.st_nlink, []))[1].append(path)
    wrong = [(count, names) for count, names in found.values() if count != len(names)]
    if wrong: sys.exit(f'{wrong}')
print('\n'.join(lines))
"#;

/// A tree of the base.
const BASE: &str = "mkdir -p /opt/t; cd /opt/t; \
    for d in a a/b a/b/c b b/d c/e/a d; do mkdir -p $d; echo $d > $d/f; ln $d/f $d/g; done; ln -s a x";

fn program(words: &[&str], seed: u64, count: u32) -> Vec<String> {
    let (seed, count) = (seed.to_string(), count.to_string());
    let python = ["python3", "-c", PROGRAM, &seed, &count, "view"];
    [words, &python]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// What alice sees after the program has run by way of `caddis` with these words.
fn view(host: &Host, words: &[&str], seed: u64, count: u32) -> String {
    let words = program(words, seed, count);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    host.caddis("alice", &words).run().ok().stdout
}

#[test]
fn what_is_kept_is_what_the_try_saw() {
    let host = Host::start().unwrap();
    host.sh("root", BASE).ok();
    let run = |words: &[&str], seed, count| view(&host, words, seed, count);
    let cases = std::env::var("CASES").map_or(25, |cases| cases.parse().unwrap());
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 40,
        ..ProptestConfig::with_cases(cases)
    };
    let strategy = (
        prop::collection::vec((any::<u32>(), 1..25_u32), 1..4),
        any::<u32>(),
        1..25_u32,
    );
    let outcome = TestRunner::new(config).run(&strategy, |(own, seed, count)| {
        host.sh("alice", "caddis remove --yes --force default 2> /dev/null || true").ok();
        for (seed, count) in own {
            run(&["root"], seed.into(), count);
            host.sh("alice", "caddis stop").ok();
        }
        let before = run(&["root"], 0, 0);
        let tried = run(&["try", "--root", "--discard"], seed.into(), count);
        prop_assert_eq!(run(&["root"], 0, 0), before.clone(), "discarded");
        // The times of what is new differ.
        let again = run(&["try", "--root", "--keep"], seed.into(), count);
        prop_assert_eq!(tried.lines().count(), again.lines().count());
        prop_assert_eq!(run(&["root"], 0, 0), again.clone(), "kept");
        // Once more, on what was kept.
        let more = run(&["try", "--root", "--keep"], (seed ^ 1).into(), count);
        prop_assert_eq!(run(&["root"], 0, 0), more.clone(), "kept again");
        // And in a copy, where nothing is in the kernel's memory.
        host.sh("alice", "caddis remove --yes --force copy 2> /dev/null; caddis stop; caddis new copy --from default").ok();
        prop_assert_eq!(run(&["root", "-e", "copy"], 0, 0), more, "copied");
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// The environment and its try, as a killed `caddis` leaves them: put away, to be brought back.
fn undecided(host: &Host) {
    let helper = "/usr/local/libexec/caddis/caddis-helper session --try --as root -- python3 -c \"$P\" 5 60 view; true";
    let run = host.command("alice", &["bash", "-c", helper]);
    run.env("+PATH", "/usr/bin:/bin")
        .env("P", PROGRAM)
        .run()
        .ok();
    host.sh(
        "root",
        &format!("cp -a {STATE}/default /root/kept; ls -d /root/kept/try"),
    )
    .ok();
}

const STATE: &str = "/var/lib/caddis/env/1000";

/// Whatever is killed where: nothing, or all of it, is kept; and what was to be kept will be.
#[test]
fn a_keep_that_was_killed_is_finished_by_the_next_use() {
    let host = Host::start().unwrap();
    host.sh("root", BASE).ok();
    let run = |words: &[&str], seed, count| view(&host, words, seed, count);
    run(&["root"], 1, 60);
    host.sh("alice", "caddis stop").ok();
    undecided(&host);
    host.sh("alice", "caddis try --keep").ok();
    let kept = run(&["root"], 0, 0);
    let mut outcomes = [0; 3];
    for (calls, step) in [
        ("renameat2", 1),
        ("flock", 1),
        ("mkdirat", 1),
        ("linkat", 1),
        ("unlinkat", 9),
        ("fsetxattr,fchmod", 1),
    ] {
        let mut number = 1;
        loop {
            let back = format!(
                "caddis admin stop --all; rm -rf {STATE}/default; cp -a /root/kept {STATE}/default"
            );
            host.sh("root", &back).ok();
            let keep = host.caddis_killed_at("alice", calls, number, &["try", "--keep"]);
            // Killed, or not any more; what is told by `caddis` itself, that its helper was killed.
            let killed = keep.run().code() != 0;
            let entries = host.sh("root", &format!("ls -A {STATE}/default")).ok();
            let has = |name: &str| entries.stdout.lines().any(|line| line == name);
            let outcome = if has("try") {
                0
            } else {
                1 + usize::from(!has("keep"))
            };
            outcomes[outcome] += 1;
            if has("try") {
                // Nothing was decided yet.
                assert!(killed);
                host.sh("alice", "caddis try --keep").ok();
            }
            let found = run(&["root"], 0, 0);
            assert!(found == kept, "{calls} {number}:\n{found}\n{kept}");
            // And nothing stays behind.
            host.sh("alice", "caddis new other && caddis remove --yes other")
                .ok();
            let left = host.sh(
                "root",
                &format!("ls -A -I .account {STATE} {STATE}/default | grep -e '^[.]' -e try -e keep; true"),
            );
            assert_eq!(left.text(), "", "{calls} {number}");
            if !killed {
                break;
            }
            number += step;
        }
    }
    // Each of them has happened.
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

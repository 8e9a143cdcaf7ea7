//! Whatever the user does, giving up all of it brings back the base, and giving up a part leaves the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild};
use caddis_tests::Environments;

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn of(seed: u64) -> Numbers {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..8 {
            numbers.below(1);
        }
        numbers
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// Directories and names to do something with; there is more or less in each by then.
const PLACES: [&str; 8] = [".", "a", "b", "a/a", "a/b", "b/a", "a/a/a", "c"];
const NAMES: [&str; 5] = ["a", "b", "c", "f", "g"];

/// A command, which may fail.
fn command(numbers: &mut Numbers) -> String {
    let mut path = || format!("{}/{}", numbers.one_of(&PLACES), numbers.one_of(&NAMES));
    let (one, other) = (path(), path());
    let what = numbers.below(1000);
    match what % 14 {
        0 | 1 => format!("echo {what} > {one}"),
        2 => format!("echo {what} >> {one}"),
        3 => format!("rm -rf {one}"),
        4 => format!("rm -f {one}"),
        5 => format!("mkdir {one}"),
        6 | 7 => format!("mv -T {one} {other}"),
        8 => format!("ln {one} {other}"),
        9 => format!("ln -sfn {other} {one}"),
        10 => format!(
            "chmod {} {one}",
            numbers.one_of(&["700", "2755", "1777", "640"])
        ),
        11 => format!(
            "chown {} {one}",
            numbers.one_of(&["alice", "root:proj", "daemon"])
        ),
        12 => format!("setfattr -n user.x -v {what} {one}"),
        _ => format!("rm -rf {one}; mkdir -p {one}/a; echo {what} > {one}/a/f"),
    }
}

const BASE: &str = "set -e; mkdir /opt/r; cd /opt/r; for d in a b a/a a/b b/a a/a/a; do mkdir $d; for f in f g; do echo $d $f > $d/$f; done; done; ln -s a/f b/c";

const LOOK: &str = "cd /opt/r && find . -printf '%y %m %U:%G %p %l\\n' | sort; \
    find . -type f | sort | while read -r f; do echo \"$f $(md5sum < $f)\"; done; getfattr -hPR -d -m user . 2>&1; true";

fn look(host: &Host) -> String {
    host.inside_root("alice", LOOK).ok().stdout
}

fn session(host: &Host, running: bool) -> Option<HostChild> {
    running.then(|| {
        let mut session = host.session("alice", "echo ready; read -r end");
        session.until("ready");
        session
    })
}

fn stop(host: &Host, running: bool) {
    if !running {
        host.sh("alice", "caddis stop").ok();
    }
}

/// What was done, for the message when it goes wrong.
fn play(host: &Host, numbers: &mut Numbers) -> String {
    let count = 4 + numbers.below(16);
    let script: Vec<String> = (0..count).map(|_| command(numbers)).collect();
    let script = script.join("\n");
    host.inside_root(
        "alice",
        &format!("cd /opt/r; {{ {script}\n}} 2> /dev/null; true"),
    )
    .ok();
    script
}

fn all_of_it(running: bool) {
    let host = Host::start().unwrap();
    host.sh("root", BASE).ok();
    let _session = session(&host, running);
    let base = look(&host);
    let mut changed = 0;
    for seed in 1..=40 {
        let mut numbers = Numbers::of(seed);
        let script = play(&host, &mut numbers);
        changed += u32::from(look(&host) != base);
        stop(&host, running);
        let reverted = host.sh("alice", "caddis revert --all --yes").ok();
        assert_eq!(look(&host), base, "{seed}: {script}\n{reverted}");
        stop(&host, running);
        let again = host.sh("alice", "caddis revert --all --dry-run").ok();
        assert_eq!(again.stdout, "", "{seed}: {script}\n{reverted}");
    }
    assert!(changed > 30, "{changed}");
}

#[test]
fn all_of_it_while_nothing_runs() {
    all_of_it(false);
}

#[test]
fn all_of_it_while_a_session_runs() {
    all_of_it(true);
}

/// Half of the paths that have changed, then the other half.
fn a_part_of_it(running: bool) {
    let host = Host::start().unwrap();
    host.sh("root", BASE).ok();
    let _session = session(&host, running);
    let base = look(&host);
    let paths = |host: &Host| -> Vec<String> {
        let planned = host
            .sh("alice", "caddis revert --all --dry-run")
            .ok()
            .stdout;
        let path = |line: &str| line[2..].split("  (").next().unwrap().to_owned();
        planned.lines().map(path).collect()
    };
    for seed in 100..=130 {
        let mut numbers = Numbers::of(seed);
        let script = play(&host, &mut numbers);
        stop(&host, running);
        let all = paths(&host);
        let some: Vec<&String> = all.iter().filter(|_| numbers.below(2) == 0).collect();
        if some.is_empty() {
            continue;
        }
        let named: Vec<&str> = some.iter().map(|path| path.as_str()).collect();
        let within = |path: &str| {
            named
                .iter()
                .any(|one| path == *one || path.starts_with(&format!("{one}/")))
        };
        let reverted = host
            .sh("alice", &format!("caddis revert --yes {}", named.join(" ")))
            .run_or_refused();
        let left: Vec<String> = paths(&host);
        let kept: Vec<String> = all
            .iter()
            .filter(|path| !reverted || !within(path))
            .cloned()
            .collect();
        assert_eq!(left, kept, "{seed}: {script}\n{named:?}");
        host.sh("alice", "caddis revert --all --yes").ok();
        assert_eq!(look(&host), base, "{seed}: {script}\n{named:?}");
        stop(&host, running);
    }
}

/// A removal cannot be given up without the renamed directory that it came of; that is said, and nothing done.
trait Refused {
    fn run_or_refused(self) -> bool;
}

impl Refused for caddis_lab::Output {
    fn run_or_refused(self) -> bool {
        if self.stderr.contains("cannot be seen twice") {
            return false;
        }
        self.ok();
        true
    }
}

#[test]
fn a_part_of_it_while_nothing_runs() {
    a_part_of_it(false);
}

#[test]
fn a_part_of_it_while_a_session_runs() {
    a_part_of_it(true);
}

/// Processes that have files open and are in directories, wherever the series leads them. What they keep from being
/// given up is said, and given up when they have gone.
#[test]
fn while_processes_hold_what_they_find() {
    let host = Host::start().unwrap();
    host.sh("root", BASE).ok();
    let _session = session(&host, true);
    let base = look(&host);
    let (mut held, mut copied) = (0, 0);
    for seed in 200..=240 {
        let mut numbers = Numbers::of(seed);
        let mut script = play(&host, &mut numbers);
        // A shell that has forked is there before its child is in the directory or has the file.
        let hold = "cd /opt/r; n=0; some() { find . -type $1 | sort | shuf -n 3 --random-source=<(yes $0); }; \
             for d in $(some d); do (cd $d; exec sleep 1000) & : $((n += 1)); done; \
             for f in $(some f); do (exec sleep 1000 < $f) & : $((n += 1)); done; \
             until [ $(pgrep -cx sleep) = $n ]; do :; done; echo ready; wait";
        let mut holders = host
            .caddis("alice", &["root", "bash", "-c", hold, &seed.to_string()])
            .spawn();
        holders.until("ready");
        script += &play(&host, &mut numbers);
        let reverted = host.sh("alice", "caddis revert --all --yes");
        let still: Vec<&str> = reverted
            .stdout
            .lines()
            .filter(|line| line.contains("still yours"))
            .collect();
        held += still.len();
        copied += reverted.stdout.matches("a copy").count();
        assert_eq!(
            reverted.code(),
            i32::from(!still.is_empty()),
            "{seed}: {script}\n{reverted}"
        );
        if still.is_empty() {
            assert_eq!(look(&host), base, "{seed}: {script}\n{reverted}");
        }
        host.sh("root", "pkill -x sleep").ok();
        holders.wait();
        host.sh("alice", "caddis revert --all --yes").ok();
        assert_eq!(look(&host), base, "{seed}: {script}\n{reverted}");
    }
    assert!(held > 0 && copied > 0, "{held} {copied}");
}

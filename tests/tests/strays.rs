//! Processes on the host that have ids of a user's environments: setuid programs that container
//! root has put into the home directory, run by the user outside of every environment. Root sees
//! and ends them together with the environments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Output, Signal, eventually};
use caddis_tests::Environments;

const STRAYS: &str = "/usr/local/bin/strays";

/// The ids inside whose setuid programs there are.
const IDS: [u32; 8] = [0, 1, 42, 5000, 5001, 5002, 5003, 5004];

/// A user with ids that no other test has: the kernel, which counts processes by id, is one for all
/// hosts.
#[derive(Clone, Copy)]
struct Attacker {
    name: &'static str,
    uid: u32,
    first: u32,
}

const DAVE: Attacker = Attacker::new("dave", 31_020);
const FRANK: Attacker = Attacker::new("frank", 31_022);
const GRACE: Attacker = Attacker::new("grace", 31_023);

/// Her range is her own entry in /etc/subuid.
const ERIN: Attacker = Attacker {
    name: "erin",
    uid: 31_021,
    first: 3_100_000_000,
};

fn host(attackers: &[Attacker]) -> Host {
    let host = Host::start().unwrap();
    host.write(STRAYS, include_str!("../attacks/strays.py"), 0o755);
    for Attacker { name, uid, .. } in attackers {
        let add = format!("useradd -m -u {uid} {name}; sed -i /^{name}:/d /etc/subuid /etc/subgid");
        host.sh("root", &add).ok();
    }
    let (name, first) = (ERIN.name, ERIN.first);
    let entry =
        format!("for f in /etc/subuid /etc/subgid; do echo {name}:{first}:65536 >> $f; done");
    host.sh("root", &entry).ok();
    for Attacker { name, .. } in attackers {
        let ids = IDS.map(|id| id.to_string()).join(" ");
        let copies = format!(
            "mkdir -m 755 /home/{name}/s; for i in {ids}; do cp /usr/bin/python3 /home/{name}/s/$i; \
             chown $i:$i /home/{name}/s/$i; chmod 6755 /home/{name}/s/$i; done"
        );
        host.inside_root(name, &copies).ok();
        host.run(name, &["caddis", "stop"]).ok();
    }
    host
}

impl Attacker {
    /// With the range that the policy computes.
    const fn new(name: &'static str, uid: u32) -> Attacker {
        let first = 0x8000_0000 + (uid - 1000) * 65_536;
        Attacker { name, uid, first }
    }

    /// Starts `count` processes of that kind with each id.
    fn start(&self, host: &Host, kind: &str, count: u32) -> HostChild {
        let home = format!("/home/{}/s", self.name);
        let pythons = IDS.map(|id| format!("{home}/{id}")).join(" ");
        let script = format!("ulimit -u 30; exec {STRAYS} {pythons} -- {kind} {count}");
        let mut started = host.spawn(self.name, &script);
        assert_eq!(
            started.line(),
            format!("there {}", IDS.len() as u32 * count)
        );
        started
    }

    /// The processes of the host that have an id of the range in any place, a line each; dead ones
    /// are none.
    fn strays(&self, host: &Host) -> Vec<String> {
        let look = "import glob, sys\n\
            first = int(sys.argv[1])\n\
            for path in glob.glob('/proc/[0-9]*/status'):\n\
            \x20   try: text = open(path, 'rb').read().decode('latin-1')\n\
            \x20   except OSError: continue\n\
            \x20   field = dict(line.split(':', 1) for line in text.splitlines() if ':' in line)\n\
            \x20   uids = [int(uid) for uid in field['Uid'].split()]\n\
            \x20   dead = field['State'].split()[0] == 'Z' and int(field['Threads']) <= 1\n\
            \x20   if not dead and any(first <= uid < first + 65536 for uid in uids): print(path, uids, field['State'])\n";
        let first = self.first.to_string();
        let found = host.run("root", &["python3", "-c", look, &first]).ok();
        found.stdout.lines().map(str::to_owned).collect()
    }
}

/// How many processes without an environment `caddis admin ps` shows of this user.
fn shown(host: &Host, uid: u32) -> usize {
    let count = format!(
        "caddis admin ps --json | python3 -c 'import json, sys; print(sum(p[\"env\"] is None and p[\"uid\"] == {uid} for p in json.load(sys.stdin)))'"
    );
    host.sh("root", &count).ok().text().parse().unwrap()
}

fn stop(host: &Host, words: &[&str]) -> Output {
    host.run("root", &[&["caddis", "admin", "stop"], words].concat())
}

/// The limit of 30 processes counts for each id alone, so the user has more than 200. They are in
/// no environment: a list of what runs in environments does not show them.
#[test]
fn every_process_with_an_id_of_the_range_is_listed_and_ended() {
    let host = host(&[DAVE, ERIN]);
    let mut others: Vec<HostChild> = ["dave", "bob", "root"]
        .map(|user| host.spawn(user, "echo; exec sleep infinity"))
        .into();
    for other in &mut others {
        other.line();
    }
    let mut running = Vec::new();
    for (kind, count, each) in [
        ("plain", 19, 1),
        ("half", 1, 1),
        ("named", 1, 1),
        ("traced", 1, 2),
        ("leaderless", 1, 1),
        ("nested", 1, 1),
    ] {
        let before = DAVE.strays(&host).len();
        running.push(DAVE.start(&host, kind, count));
        let strays = DAVE.strays(&host).len();
        assert_eq!(strays - before, IDS.len() * count as usize * each, "{kind}");
        assert_eq!(shown(&host, DAVE.uid), strays, "{kind}");
    }
    running.push(ERIN.start(&host, "plain", 2));
    assert_eq!(shown(&host, ERIN.uid), 2 * IDS.len());
    assert!(DAVE.strays(&host).len() >= 200);
    let listed = host
        .run("root", &["caddis", "admin", "ps", "--user", "dave"])
        .ok();
    assert_eq!(listed.stdout.lines().count(), DAVE.strays(&host).len() + 1);
    // Her own list has the processes of her environments, her own stop ends those.
    assert_eq!(
        host.run("dave", &["caddis", "ps", "--json"]).ok().text(),
        "[]"
    );
    host.run("dave", &["caddis", "stop", "--all"]).ok();
    assert!(DAVE.strays(&host).len() >= 200);

    stop(&host, &["--user", "dave"]).ok();
    assert_eq!(DAVE.strays(&host), [""; 0]);
    assert_eq!(shown(&host, DAVE.uid), 0);
    // Of others, and of hers what is only hers, nothing has ended.
    assert_eq!(ERIN.strays(&host).len(), 2 * IDS.len());
    assert!(running.iter().chain(&others).all(|one| !one.has_ended()));
    stop(&host, &["--all"]).ok();
    assert_eq!(ERIN.strays(&host), [""; 0]);
    assert!(others.iter().all(|one| !one.has_ended()));
}

/// Processes that fork, end, change their ids and continue each other faster than one can look.
#[test]
fn those_that_fork_and_change_their_ids_are_ended_as_well() {
    let host = host(&[FRANK]);
    for kind in ["hopping", "forking", "changing"] {
        let mut started = FRANK.start(&host, kind, 3);
        stop(&host, &["--user", "frank"]).ok();
        assert_eq!(FRANK.strays(&host), [""; 0], "{kind}");
        started.kill(Signal::KILL);
        started.wait();
    }
}

/// What runs inside is not a stray, also in a pid namespace of its own there.
#[test]
fn what_runs_in_an_environment_is_no_stray() {
    let host = host(&[GRACE]);
    let nested = "echo; unshare -pf --mount-proc sh -c 'sleep infinity & setpriv --reuid=5000 sleep infinity'";
    let mut session = host.caddis("grace", &["root", "sh", "-c", nested]).spawn();
    session.line();
    eventually("both sleep", || GRACE.strays(&host).len() >= 5);
    assert_eq!(shown(&host, GRACE.uid), 0);
    let mut bobs = host.session("bob", "echo; exec sleep infinity");
    bobs.line();
    stop(&host, &["--user", "grace"]).ok();
    session.wait().exits(143);
    assert_eq!(GRACE.strays(&host), [""; 0]);
    assert!(!bobs.has_ended());
}

//! Where something is mounted in a view, the names on the way are the user's own to change. At the next start they
//! may lead anywhere, and still nothing is made or changed on the host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, Output};
use caddis_tests::attack::{Attacker, DIRECTORY, install};
use caddis_tests::{Environments, State, Untouched, attack};

const TAKE_AWAY: &str = attack!("take_away.py");

/// Rules that want mount points in `/opt/site`, of every kind that is made where it is missing.
const POLICY: &str = "[session]\nlinger = \"0\"\nstop_grace = \"1s\"\n[view]\nmemory = [\"/tmp\", \"/opt/site/memory\"]\n\
    hidden = [\"/opt/site/hidden\"]\nprivate = [\"/home\", \"/var/tmp\", \"/opt/site/private\"]\n\
    expose = [\"/opt/site/directory/below\", \"/opt/site/file\"]\n";

/// Directories of the host that are passed through: root's, bob's, one that everybody may write in, one in which the
/// names that are wanted exist, and one that a link of bob's leads out of.
fn host() -> Host {
    let host = Host::builder()
        .memory("/scratch", "size=16m,mode=755")
        .disk("/opt/site/disk", FileSystem::Ext4, "20M")
        .start()
        .unwrap();
    host.policy(POLICY);
    host.sh(
        "root",
        "set -e; cd /opt/site; mkdir -p memory hidden private directory/below; touch file
         cd /scratch; mkdir closed; install -d -m 700 -o bob bobs; mkdir -m 1777 open
         mkdir -p taken/alice taken/memory taken/hidden taken/private taken/directory/below taken/disk; touch taken/file
         chown -R bob taken; chmod -R go-w taken; install -d -o bob links; ln -s /root links/alice; ln -s /root links/memory
         ln -s /home/bob links/directory; ln -s /etc/made-by-link links/file; chown -h bob links/*",
    )
    .ok();
    host
}

/// Everything that is passed through, with what a new entry, another mode or another owner would change; and whatever
/// else there is on the host's disk.
fn everything(host: &Host) -> String {
    let list = "find /scratch /home /root -printf '%p %y %m %U:%G %T@ %C@ %l\\n' | sort";
    host.sh("root", list).ok().stdout + &host.files() + &host.mounts()
}

/// A start that works, or that says what is in its way, each line a sentence of Caddis's.
#[track_caller]
fn start(host: &Host, what: &str) -> Output {
    let output = host
        .caddis("alice", &["run", "sh", "-c", "id -u; ls -d /home/alice"])
        .cwd("/usr")
        .run();
    assert!(
        output.stdout.starts_with("1000\n"),
        "{what}: no session\n{output}"
    );
    let own = |line: &str| line.starts_with("caddis: ") || line.starts_with("ls: ");
    assert!(output.stderr.lines().all(own), "{what}\n{output}");
    output
}

const TARGETS: [&str; 10] = [
    "/scratch/closed",
    "/scratch/bobs",
    "/scratch/open",
    "/scratch/taken",
    "/scratch/links",
    "/scratch/nowhere",
    "../../../scratch/closed",
    "/proc/1/root/scratch/closed",
    "/dev/shm/../../scratch/open",
    "/sys",
];

#[test]
fn places_that_lead_to_directories_of_the_host_are_not_made_there() {
    let host = host();
    host.inside("alice", "true").ok();
    let before = everything(&host);
    for place in [
        "/home",
        "/opt",
        "/opt/site",
        "/opt/site/directory",
        "/var/tmp",
    ] {
        for target in TARGETS {
            let swap = format!("set -e; mv {place} /kept; ln -s {target} {place}");
            host.inside_root("alice", &swap).ok();
            let what = format!("{place} leads to {target}");
            let output = start(&host, &what);
            if place != "/home" {
                assert!(output.stdout.ends_with("/home/alice\n"), "{what}\n{output}");
            }
            let after = everything(&host);
            assert!(before == after, "{what}: the host changed\n{output}");
            // With the link as it is, root of the environment can write there no more than before.
            let write = format!("touch {place}/new; mkdir {place}/newer; true");
            if !target.ends_with("open") {
                host.inside_root("alice", &write).ok();
                assert!(before == everything(&host), "{what}: written");
            }
            let back = format!("set -e; rm {place}; mv /kept {place}");
            host.inside_root("alice", &back).ok();
        }
    }
    // All is in its place again.
    let seen = host
        .inside("alice", "ls -A /opt/site; cat ~/private.txt")
        .ok();
    assert_eq!(
        seen.stdout,
        "directory\ndisk\nfile\nhidden\nmemory\nprivate\nalice's own words\n"
    );
}

/// While a `..` of the user's is followed, the kernel gives up whenever anything is renamed on the whole machine.
#[test]
fn what_others_rename_meanwhile_does_not_disturb_a_start() {
    let host = host();
    let swap = "set -e; mv /opt/site /opt/kept; ln -s ../opt/../opt/kept /opt/site";
    host.inside_root("alice", swap).ok();
    let rename =
        "import os\nprint(flush=True)\nwhile True: os.rename('a', 'b'); os.rename('b', 'a')";
    let mut renaming = host.spawn("bob", &format!("touch a; exec python3 -c \"{rename}\""));
    renaming.line();
    for _ in 0..20 {
        // With everything in its place.
        let look = "stat -f -c %T /opt/site/memory /opt/site/disk";
        let seen = host.inside("alice", look).ok();
        assert_eq!(
            (seen.stdout.as_str(), seen.stderr.as_str()),
            ("tmpfs\noverlayfs\n", "")
        );
    }
    renaming.kill(caddis_lab::Signal::KILL);
    renaming.wait();
}

#[test]
fn a_place_that_is_replaced_by_something_else_is_left_out() {
    let host = host();
    host.inside("alice", "true").ok();
    let before = everything(&host);
    for instead in [
        "touch /opt/site",
        "mkfifo /opt/site",
        "mkdir -m 0 /opt/site",
        "ln -s site /opt/site",
        "ln -s /opt/site/memory /opt/site",
        "mkdir -p /opt/site/file /opt/site/directory; touch /opt/site/memory /opt/site/directory/below",
    ] {
        host.inside_root("alice", &format!("set -e; mv /opt/site /kept; {instead}"))
            .ok();
        start(&host, instead);
        host.inside_root("alice", "rm -rf /opt/site && mv /kept /opt/site")
            .ok();
        assert!(before == everything(&host), "{instead}: the host changed");
    }
}

/// What is mounted on cannot be renamed inside. A namespace of one's own in which it is mounted no more is the way
/// round that, and the next start finds neither `/proc` nor `/dev` where they were. What lies below them on the host's
/// own disk stays covered.
#[test]
fn the_places_of_the_kernels_own_file_systems_may_lead_elsewhere_as_well() {
    const NAMES: [&str; 5] = ["proc", "sys", "dev", "run", "tmp"];
    let host = host();
    for name in NAMES {
        let cover = "mount --bind / /mnt; echo covered > /mnt/$0/covered; chmod 644 /mnt/$0/covered; umount /mnt";
        host.run("root", &["bash", "-c", cover, name]).ok();
    }
    host.inside("alice", "true").ok();
    let before = everything(&host);
    for name in NAMES {
        host.inside_root("alice", &format!("mv /{name} /kept"))
            .fails()
            .says("busy");
        for target in ["/scratch/closed", "/scratch/nowhere", "/scratch/bobs"] {
            let found = Attacker::Root("alice").run(&host, TAKE_AWAY, &[name, target]);
            let done = found.result("replace").starts_with("done");
            // Ends with its last session; the next one is a start.
            let output = host.inside("alice", "id -u");
            assert!(before == everything(&host), "/{name} leads to {target}");
            assert!(
                output.stdout == "1000\n" || output.stderr.starts_with("caddis: cannot "),
                "{output}"
            );
            if done {
                let uncovered = host.inside_root("alice", &format!("cat /{name}.kept/covered"));
                assert_eq!(uncovered.fails().stdout, "");
                // Only the user's own environment has come to harm.
                host.inside("bob", "true").ok();
                host.sh("alice", "caddis remove --yes --force default").ok();
                host.inside("alice", "true").ok();
            }
        }
    }
}

/// Process 1 is root until the view stands, and has its eye on itself by way of `/proc`.
#[test]
fn process_1_believes_no_proc_of_the_users_making() {
    let host = host();
    host.sh("root", "echo roots own > /scratch/roots").ok();
    let programs = [
        ("stepper.py", include_str!("../attacks/stepper.py")),
        ("starts.py", include_str!("../attacks/starts.py")),
        (
            "exchange_proc.py",
            include_str!("../attacks/exchange_proc.py"),
        ),
    ];
    install(&host, &programs);
    // As the kernel would write it, with the addresses of arguments and variables from 0 to 11.
    let fields = format!("1 (x) S{}{}", " 0".repeat(47), " 11 0");
    let make = format!(
        "mkdir -p p/d q/d/self; echo '{fields}' > q/d/self/stat; ln -s /scratch/roots q/d/self/mem"
    );
    host.sh("alice", &make).ok();
    let found = Attacker::Root("alice").run(&host, TAKE_AWAY, &["proc", "/home/alice/p/d"]);
    assert!(found.result("replace").starts_with("done"));
    host.inside("alice", "test -e ~/p/d/self/stat").ok();
    let program = format!("{DIRECTORY}/exchange_proc.py");
    let output = host.run("root", &["python3", &program, "2"]).ok();
    let tried = output.text().strip_prefix("tried ").map(str::parse::<u32>);
    assert!(matches!(tried, Some(Ok(100..))), "{output}");
}

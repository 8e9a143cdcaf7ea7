//! From inside, nothing tells who else is on the machine. `docs/security.md` lists what still does: the tests here name
//! the same, and nothing more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Pty};
use caddis_tests::attack::{ALICE_INSIDE, Attacker, Findings};
use caddis_tests::{Environments, State, attack};

const CURIOUS: &str = attack!("curious.py");

/// In all that bob names.
const MARK: &str = "4711word";

/// What bob has on the machine by being there: all that programs leave of him, in the places where they do.
const TRACES: &str = r#"
    : > /run/utmp; chgrp utmp /run/utmp; chmod 664 /run/utmp
    install -d -m 700 -o bob -g bob /run/user/1001
    install -D -m 644 /dev/null /var/lib/systemd/linger/bob
    install -d -m 2755 /var/log/journal/0123456789abcdef
    echo bob > /var/log/journal/0123456789abcdef/user-1001.journal
    install -m 660 -o bob -g mail /dev/null /var/mail/bob
    install -d -m 1730 /var/spool/cron/crontabs
    install -m 600 -o bob /dev/null /var/spool/cron/crontabs/bob
    for directory in /var/lib/wtmpdb /var/lib/lastlog /var/lib/systemd/coredump; do
        install -d $directory; echo bob > $directory/core.word.1001.db
    done
    install -d -m 1777 /var/crash
    install -m 640 -o bob /dev/null /var/crash/_usr_bin_word.1001.crash
    install -d -m 700 -o bob -g bob /home/bob/.ssh
    ssh-keygen -q -t ed25519 -N '' -f /root/key
    install -m 600 -o bob -g bob /root/key.pub /home/bob/.ssh/authorized_keys
"#;

/// What bob does in his session. The sockets, queues, keys and locks are there as long as it is.
const DOES: &str = r#"
import ctypes, fcntl, os, socket, subprocess
MARK = "4711word"
held = []
for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/user/1001"):
    held.append(open(f"{place}/{MARK}", "w"))
    fcntl.flock(held[-1], fcntl.LOCK_EX)
os.makedirs("/tmp/tmux-1001", 0o700)
for address in (f"/tmp/tmux-1001/{MARK}", f"\0{MARK}"):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    held.append(listening)
held.append(socket.create_server(("127.0.0.1", 4711)))
library = ctypes.CDLL(None, use_errno=True)
assert library.mq_open(f"/{MARK}".encode(), os.O_CREAT | os.O_RDWR, 0o666, None) >= 0
assert library.syscall(ctypes.c_long(NUMBER), b"user", MARK.encode(), b"x", ctypes.c_size_t(1), ctypes.c_long(-4)) >= 0
subprocess.run("ipcmk -M 4711 -p 666; ipcmk -Q -p 666; ipcmk -S 2 -p 666", shell=True, check=True)
with open("/proc/self/comm", "w") as name:
    name.write(MARK)
inside = subprocess.Popen(["caddis", "run", "bash", "-c", f"touch /tmp/{MARK} /opt/{MARK}; echo in; read end", MARK],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert inside.stdout.readline() == b"in\n"
print("bob", "is", "here", flush=True)
input()
"#;

/// A host on which bob is: he has come in by ssh.
fn with_bob(host: &Host) -> Pty {
    host.sh("root", TRACES).ok();
    let number = if cfg!(target_arch = "x86_64") {
        "248"
    } else {
        "217"
    };
    let does = DOES.replace("NUMBER", number);
    host.write("/srv/does", does, 0o644);
    host.start_sshd();
    let options = [
        "ssh",
        "-tt",
        "-i",
        "/root/key",
        "-o",
        "StrictHostKeyChecking=no",
    ];
    let script = format!("python3 /srv/does {MARK}");
    let argv = [&options[..], &["bob@localhost", &script]].concat();
    let mut bob = host.pty("root", &argv);
    bob.expect("bob is here");
    host.sh("root", "rm /srv/does; cp -p /var/log/wtmp /var/log/wtmp.1")
        .ok();
    bob
}

fn look(host: &Host, attacker: Attacker) -> Findings {
    let found = attacker.run(host, CURIOUS, &["bob", "1001", MARK]);
    let looked = found
        .output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("looked at "));
    assert!(
        looked.unwrap().parse::<u32>().unwrap() > 200,
        "{}",
        found.output
    );
    found
}

/// What still tells of bob, as `docs/security.md` says.
const KNOWN: [&str; 1] = [
    // The network is the host's, with the places of its sockets.
    "/proc/net/unix\tdone content",
];

/// Accounts, which everybody may know, a certificate whose name has the digits of bob's uid, compressed packages, in some of
/// which they or his name come about, and /proc/key-users: it lists the ids of the environment's own range, 1001 among them,
/// for all hosts of this kernel, those of tests beside this one, too.
fn is_exempt(finding: &str) -> bool {
    let accounts = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];
    accounts
        .iter()
        .flat_map(|file| [format!("/etc/{file}\t"), format!("/etc/{file}-\t")])
        .any(|file| finding.starts_with(&file))
        || finding == "/etc/ssl/certs/1001acf7.0\tdone name"
        || finding == "/proc/key-users\tdone content"
        || (finding.starts_with("/srv/repo/") && finding.ends_with(".deb\tdone content"))
}

fn telling(found: &Findings) -> Vec<String> {
    let all = found.attempts().iter();
    let all = all.map(|(path, how)| format!("{path}\t{how}"));
    all.filter(|finding| !is_exempt(finding)).collect()
}

/// What is found from inside is what is known.
fn tells_nothing(host: &Host) {
    for attacker in ALICE_INSIDE {
        let found = look(host, attacker);
        assert_eq!(telling(&found), KNOWN, "{}", found.output);
    }
}

/// With what systemd writes down of bob: his session, his cgroups, his manager, and the journal.
#[test]
fn nothing_that_systemd_knows_tells_of_somebody_else() {
    let host = Host::builder().systemd().start().unwrap();
    let _bob = with_bob(&host);
    tells_nothing(&host);
    // The sweep finds what there is: as alice on the host.
    let alice = telling(&look(&host, Attacker::Host("alice")));
    for place in [
        "/sys/fs/cgroup/user.slice/user-1001.slice\tdone name",
        "/run/user/1001\tdone name",
    ] {
        assert!(
            alice.iter().any(|finding| finding == place),
            "{place}: {alice:#?}"
        );
    }
}

#[test]
fn nothing_on_the_machine_tells_of_somebody_else() {
    let host = Host::start().unwrap();
    let _bob = with_bob(&host);
    tells_nothing(&host);

    // The sweep finds what there is: as alice on the host.
    let alice = telling(&look(&host, Attacker::Host("alice")));
    for place in [
        "/tmp/4711word\tdone name",
        "/tmp/tmux-1001\tdone owner",
        "/var/tmp/4711word\tdone name",
        "/dev/shm/4711word\tdone name",
        "/dev/mqueue/4711word\tdone name",
        "/proc/sysvipc/shm\tdone content",
        "/run/user/1001\tdone name",
        "/run/utmp\tdone content",
        "/var/log/wtmp\tdone content",
        "/var/log/wtmp.1\tdone content",
        "/var/lib/systemd/linger/bob\tdone name",
        "/var/lib/systemd/coredump/core.word.1001.db\tdone name",
        "/var/lib/wtmpdb/core.word.1001.db\tdone content",
        "/var/lib/lastlog/core.word.1001.db\tdone content",
        "/var/log/journal/0123456789abcdef/user-1001.journal\tdone name",
        "/var/mail/bob\tdone name",
        "/var/crash/_usr_bin_word.1001.crash\tdone owner",
        "/home/bob\tdone name",
        "/proc/net/unix\tdone content",
    ] {
        assert!(
            alice.iter().any(|finding| finding == place),
            "{place}: {alice:#?}"
        );
    }
    for file in ["comm", "cmdline"] {
        let tells = |finding: &String| {
            finding.starts_with("/proc/") && finding.ends_with(&format!("/{file}\tdone content"))
        };
        assert!(alice.iter().any(tells), "{file}: {alice:#?}");
    }
}

#[test]
fn the_programs_that_tell_who_is_there_tell_nothing() {
    let host = Host::start().unwrap();
    let _bob = with_bob(&host);
    let tools = "ps -ef; who -a; w; users; last -f /var/log/wtmp; last -f /var/log/wtmp.1; lastlog -u bob; pgrep -u bob; pgrep -a 4711; \
        ipcs -a; ss -xlp; df -a; mount; fuser -v /tmp /opt /; find / -xdev -user bob; find / -xdev -uid 1001; \
        getfacl -R /run /tmp /var/tmp /home /dev /var/log; cat /proc/locks /proc/keys /proc/key-users; ls -laR /tmp /var/tmp /home /run /dev";
    // `ss` and others name sockets by what is in /proc/net/unix.
    let known = |line: &str| line.contains("/tmp/tmux-1001/4711word") || line.contains("@4711word");
    // Who looks for bob's accounts by name has it in the answer.
    let asked = |line: &str| line.contains("Never logged in");
    // /proc/key-users has ids of the environment's own range only, all hosts' of this kernel: those of tests beside this one.
    let keys = |line: &str| line.trim_start().starts_with("1001: ");
    for attacker in ALICE_INSIDE {
        let output = attacker.command(&host, &["bash", "-c", tools]).run();
        // The programs themselves are there.
        assert!(!output.stderr.contains("command not found"), "{output}");
        let told = output
            .stdout
            .lines()
            .filter(|line| !known(line) && !asked(line) && !keys(line));
        // Not as a part of some other number, such as that of a disk's free blocks.
        let numbers = |line: &str| {
            let mut numbers = line.split(|one: char| !one.is_ascii_digit());
            numbers.any(|number| ["4711", "1001"].contains(&number))
        };
        let told: Vec<&str> = told
            .filter(|line| line.contains("bob") || numbers(line))
            .collect();
        let told: Vec<&&str> = told
            .iter()
            .filter(|line| !line.contains("ps -ef"))
            .collect();
        assert!(told.is_empty(), "{told:?}\n{output}");
        assert!(output.stdout.contains("Never logged in"), "{output}");
    }
    let on_host = host.sh("alice", tools).stdout;
    for told in [
        "bob              pts/",
        "bob      pts/",
        "still logged in",
        "/tmp/4711word",
        "python3 /srv/does 4711word",
    ] {
        assert!(on_host.contains(told), "{told}: {on_host}");
    }
}

/// Logs are rotated, and files appear, while an instance runs.
#[test]
fn what_appears_later_under_a_private_name_does_not_show() {
    let host = Host::start().unwrap();
    host.write("/var/log/wtmp", "host's", 0o664);
    assert!(!host.exists("/var/log/wtmp.1") && !host.exists("/var/lib/wtmpdb"));
    let mut alice = host.session("alice", "echo in; read end");
    alice.until("in");
    let look = "cd /var; stat -c '%U:%G %a %s' log/wtmp; ls -d log/wtmp.1 lib/wtmpdb lib/wtmpdb/wtmp.db; ls log | grep -c wtmp";
    let before = host.inside("alice", look).stdout;
    assert_eq!(before, "root:utmp 664 0\n1\n");
    host.sh(
        "root",
        "cd /var; mv log/wtmp log/wtmp.1; install -m 664 -g utmp /dev/null log/wtmp; echo bob >> log/wtmp; \
         mkdir lib/wtmpdb; echo bob > lib/wtmpdb/wtmp.db; caddis admin refresh",
    )
    .ok();
    for attacker in ALICE_INSIDE {
        let now = attacker.command(&host, &["bash", "-c", look]).run();
        assert_eq!(now.stdout, before, "{now}");
    }
    // What she writes there is hers, and stays; nothing of it is taken for a change that hides the host's.
    host.inside_root(
        "alice",
        "cd /var; echo mine >> log/wtmp; mkdir lib/wtmpdb; echo mine > lib/wtmpdb/wtmp.db",
    )
    .ok();
    alice.send("\n");
    alice.wait();
    host.caddis("alice", &["stop"]).run().ok();
    let kept = host.inside(
        "alice",
        "cat /var/log/wtmp /var/lib/wtmpdb/wtmp.db; ls /var/log | grep -c wtmp",
    );
    // By now the host has both logs.
    assert_eq!(kept.ok().stdout, "mine\nmine\n2\n");
    assert_eq!(host.read_text("/var/lib/wtmpdb/wtmp.db"), "bob\n");
    host.sh("root", "echo bob >> /var/log/wtmp").ok();
    let status = host.caddis("alice", &["status"]).run().ok();
    assert!(!status.stdout.contains("changed below"), "{status}");
}

#[test]
fn files_can_be_private_or_hidden_wherever_they_are() {
    let host = Host::builder()
        .memory("/scratch", "size=1m,mode=755")
        .start()
        .unwrap();
    host.sh("root", "for file in /scratch/private /scratch/hidden /opt/private /opt/hidden; do echo of-the-host > $file; chmod 644 $file; done").ok();
    host.policy_in_force(
        "[view]\nprivate = [\"/home\", \"/scratch/private\", \"/scratch/none\", \"/opt/private\", \"/opt/none\", \"/no/where\"]\n\
         hidden = [\"/scratch/hidden\", \"/opt/hidden\"]\n",
    );
    let show = "cd /; cat scratch/* opt/*; ls scratch opt; ls -d /no";
    let seen = host.inside("alice", show).stdout;
    assert_eq!(seen, "opt:\nhidden\nprivate\n\nscratch:\nhidden\nprivate\n");
    let by_root = "echo x > /scratch/private && echo x > /opt/private && ! echo x > /scratch/hidden && ! echo x > /opt/hidden";
    host.inside_root("alice", by_root).ok();
    assert_eq!(
        host.sh("root", "cat /scratch/* /opt/*").ok().stdout,
        "of-the-host\n".repeat(4)
    );
}

/// What a policy names below a directory where users can write, a user may have made into a link.
#[test]
fn nobody_decides_by_a_link_what_others_see() {
    let host = Host::start().unwrap();
    let policy =
        "[view]\nprivate = [\"/home\", \"/scratch/tmp\", \"/scratch/bob/deep\", \"/by-root\"]\n";
    host.write("/etc/caddis/policy.toml", policy, 0o644);
    host.sh(
        "root",
        "mkdir -m 1777 /scratch; mkdir /opt/hidden; touch /opt/hidden/name; ln -s opt/../opt/hidden /by-root; \
         install -d -o bob /scratch/bob",
    )
    .ok();
    for links in [
        "ln -s / /scratch/tmp",
        "ln -s /etc/ssl /scratch/tmp",
        "ln -s tmp /scratch/tmp",
        "ln -s /by-bob /scratch/tmp; ln -s /usr/share /scratch/bob/deep",
        "ln -s /by-bob /scratch/tmp; mv /scratch/bob /scratch/other; ln -s /usr /scratch/bob; mkdir -p /scratch/other/deep",
    ] {
        host.sh("bob", &format!("rm -rf /scratch/tmp; {links}"))
            .ok();
        let seen = "ls /etc/ssl/openssl.cnf /usr/share/doc >/dev/null && ls /by-root/ | wc -l";
        let output = host.inside("alice", seen).ok();
        assert_eq!(output.stdout, "0\n", "{links}: {output}");
        host.caddis("alice", &["stop", "default"]).run().ok();
    }
}

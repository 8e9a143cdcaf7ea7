//! Callers on the host who prepare what a setuid program finds: arguments, variables, descriptors, signals, and
//! requests that `caddis` would never send. `tests/attacks/launch.py` starts programs that way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output, eventually};
use caddis_tests::{Environments, HELPER, State};

const LAUNCH: &str = "/usr/local/bin/launch";

fn host() -> Host {
    let host = Host::start().unwrap();
    host.write(LAUNCH, include_str!("../attacks/launch.py"), 0o755);
    host.sh("root", "echo host > /tmp/only-on-the-host").ok();
    host
}

/// `launch OPTIONS WORDS` as alice.
fn launch(host: &Host, options: &[&str], words: &[&str]) -> Output {
    host.run("alice", &[&[LAUNCH], options, words].concat())
}

/// A session by way of the helper, started so.
fn session(host: &Host, options: &[&str], command: &[&str]) -> Output {
    let words = [HELPER, "session", "--home", "/home/alice", "--"];
    launch(host, options, &[&words, command].concat())
}

#[test]
fn a_hostile_program_name_changes_nothing() {
    let host = host();
    let long = "a".repeat(100_000);
    for name in [
        "",
        "-",
        "--for",
        "/etc/shadow",
        "x\\n<0>caddis[1]: forged",
        "\\xff\\xfe",
        &long,
    ] {
        let output = session(&host, &["--argv0", name], &["id", "-u"]).ok();
        assert_eq!(output.stdout, "1000\n", "{output}");
        let words = ["/usr/local/bin/caddis", "run", "id", "-u"];
        let output = launch(&host, &["--argv0", name], &words).ok();
        assert_eq!(output.stdout, "1000\n", "{output}");
    }
    launch(&host, &["--no-argv"], &[HELPER])
        .exits(125)
        .says("caddis: cannot understand the request: no verb is given");
    launch(&host, &["--no-argv"], &["/usr/local/bin/caddis"]).exits(2);
}

#[test]
fn four_megabytes_of_arguments_are_handed_on_or_refused_by_the_kernel() {
    let host = host();
    let roomy = ["--limit", "STACK=unlimited", "--pieces", "40:102400"];
    let count = ["sh", "-c", "echo $# $(ulimit -s)", "sh"];
    let here = launch(&host, &roomy, &[&["/usr/bin/env"], &count[..]].concat()).ok();
    assert_eq!(here.stdout, "40 unlimited\n");
    // The kernel lowers the limit of the stack for a setuid program, and with it what a command may be given.
    session(&host, &roomy, &count)
        .exits(126)
        .says("Argument list too long");
    let unlimited = u64::MAX.to_string();
    let words = [HELPER, "session", "--stack", &unlimited, "--"];
    let restored = launch(&host, &roomy, &[&words, &count[..]].concat()).ok();
    assert_eq!(restored.stdout, here.stdout);
    let by_caddis = [&["/usr/local/bin/caddis", "run"], &count[..]].concat();
    assert_eq!(launch(&host, &roomy, &by_caddis).ok().stdout, here.stdout);
    // Where they are no command's, they are refused in one sentence.
    for verb in ["new", "remove", "config", "list", "nonsense"] {
        let output = launch(&host, &roomy, &[HELPER, verb]).exits(125);
        assert!(output.stderr.len() < 4096, "{output}");
    }
    // One that is too long reaches nobody; what is just not too long for `caddis` may be for the helper's.
    let too_long = ["--pieces", "1:140000"];
    session(&host, &too_long, &count).exits(98);
    let fits = ["--pieces", "1:131071"];
    assert_eq!(
        session(&host, &fits, &["sh", "-c", "echo $#", "sh"])
            .ok()
            .stdout,
        "1\n"
    );
    // The most that still fits for `caddis`: the helper gets a little more, and that is too long.
    let sizes: Vec<usize> = (100_000..105_000).collect();
    let pieces = |size: &usize| launch(&host, &["--pieces", &format!("20:{size}")], &by_caddis);
    let first_too_long = sizes.partition_point(|size| pieces(size).code() != 98);
    pieces(&sizes[first_too_long - 1])
        .exits(125)
        .says("longer than the kernel takes");
}

#[test]
fn variables_reach_the_command_and_never_the_helper() {
    let host = host();
    let evil = [
        "LD_PRELOAD=libdl.so.2",
        "LD_LIBRARY_PATH=/home/alice/evil",
        "LD_AUDIT=",
        "LD_DEBUG_OUTPUT=/home/alice/debug",
        "LD_ORIGIN_PATH=/home/alice",
        "GCONV_PATH=/home/alice/evil",
        "LOCPATH=/home/alice/evil",
        "NLSPATH=/home/alice/%N",
        "MALLOC_TRACE=/home/alice/trace",
        "MALLOC_CHECK_=3",
        "MALLOC_PERTURB_=7",
        "GLIBC_TUNABLES=glibc.malloc.check=3",
        "GETCONF_DIR=/home/alice",
        "HOSTALIASES=/home/alice/x",
        "RESOLV_HOST_CONF=/etc/shadow",
        "TZ=:/etc/shadow",
        "TMPDIR=/home/alice/evil",
        "RUST_BACKTRACE=full",
        "RUST_MIN_STACK=1",
        "ENV=/home/alice/evil",
        "CADDIS_ENV=",
        "+DOUBLE=plus",
    ];
    host.sh("alice", "mkdir evil").ok();
    let options: Vec<&str> = evil.iter().flat_map(|one| ["--env", one]).collect();
    // Through `caddis`: all of them are the command's. What root sees of the helper has a plus before each name.
    let words = [
        "/usr/local/bin/caddis",
        "run",
        "bash",
        "-c",
        "env -0; echo; read line",
    ];
    let argv = [
        &[LAUNCH, "--env", "PATH=/home/alice/evil:/usr/bin"],
        &options[..],
        &words,
    ]
    .concat();
    let mut running = host.command("alice", &argv).spawn();
    let seen = running.until("\0\n");
    for variable in evil.iter().filter(|one| !one.starts_with("CADDIS_ENV")) {
        assert!(
            seen.split('\0').any(|one| one == *variable),
            "{variable}: {seen}"
        );
    }
    assert!(seen.contains("CADDIS_ENV=default"), "{seen}");
    let environ = format!("/proc/{}/environ", running.pid_in_host());
    let helpers = host.read_text(&environ);
    assert!(
        helpers.split_terminator('\0').count() > evil.len(),
        "{helpers}"
    );
    assert!(
        helpers
            .split_terminator('\0')
            .all(|one| one.starts_with('+')),
        "{helpers}"
    );
    // Process 1 keeps none of them.
    let process_1 = host.first_process(1000, "default").unwrap();
    let kept = host.sh(
        "root",
        &format!("cat /proc/{process_1}/environ /proc/{process_1}/cmdline | tr -d '\\0'"),
    );
    assert_eq!(kept.ok().text(), "caddis-init");
    running.send("end\n");
    running.wait().ok();
    // Straight to the helper: without a plus they are nobody's.
    let plain = [
        &options[..],
        &[
            "--env",
            "+KEPT=yes",
            "--env",
            "=x",
            "--env",
            "+",
            "--env",
            "+=y",
        ],
    ]
    .concat();
    let output = session(&host, &plain, &["/usr/bin/env"]).ok();
    let mut lines: Vec<&str> = output.stdout.lines().collect();
    lines.sort_unstable();
    let expected = [
        "CADDIS_ENV=default",
        "DOUBLE=plus",
        "KEPT=yes",
        "debian_chroot=default",
    ];
    assert_eq!(lines, expected, "{output}");
    let left = host
        .sh(
            "root",
            "find /home/alice /tmp -newer /etc/caddis/policy.toml -user root -type f",
        )
        .ok();
    assert_eq!(left.text(), "/tmp/only-on-the-host");
}

#[test]
fn closed_standard_streams_lead_nowhere() {
    let host = host();
    let look = "exec 9>~/out; stat -L -c %t:%T /proc/$$/fd/{0,1,2} >&9";
    let home = ["--env", "+HOME=/home/alice", "--env", "+PATH=/usr/bin:/bin"];
    for closed in ["0", "1", "2", "0,1", "0,2", "1,2", "0,1,2"] {
        let options = [&["--close", closed], &home[..]].concat();
        for start in [true, false] {
            if start {
                host.sh("alice", "caddis stop --all").ok();
            }
            session(&host, &options, &["bash", "-c", look]).ok();
            for (number, device) in host.read_text("/home/alice/out").lines().enumerate() {
                // glibc fills the gaps of a setuid program with what fails: /dev/full to read, /dev/null to write.
                let is_nowhere = ["1:3", "1:7"].contains(&device);
                // Standard input is /dev/null in any case.
                let expected = number == 0 || closed.contains(&number.to_string());
                assert_eq!(
                    is_nowhere, expected,
                    "{number} of {closed} closed: {device}"
                );
            }
        }
        host.sh("root", "rm /home/alice/out").ok();
        launch(
            &host,
            &["--close", closed],
            &["/usr/local/bin/caddis", "run", "bash", "-c", look],
        )
        .ok();
        assert_eq!(host.read_text("/home/alice/out").lines().count(), 3);
        // Nor do messages go astray.
        launch(&host, &["--close", closed], &[HELPER, "remove", "nothing"]).exits(125);
    }
}

#[test]
fn no_further_descriptor_is_handed_on() {
    let host = host();
    let open = [
        "--open",
        "3=/etc/passwd",
        "--open",
        "57=/",
        "--open",
        "1000=/home/alice",
    ];
    let command = ["sh", "-c", "echo $$; exec sleep infinity"];
    let argv = [&[LAUNCH], &open[..], &[HELPER, "session", "--"], &command].concat();
    let mut running = host.command("alice", &argv).spawn();
    running.line();
    let monitor = running.pid_in_host();
    // While it is loaded, it has its libraries open as well.
    let list = format!("ls /proc/$(pgrep -P {monitor} sleep)/fd");
    eventually("sleep has its three streams, and nothing else", || {
        host.sh("root", &list).stdout == "0\n1\n2\n"
    });
    let process_1 = host.first_process(1000, "default").unwrap();
    // Process 1 keeps the overlays of its view; the host has none.
    let list = format!(
        "for one in /proc/{process_1}/fd/*; do [ $(stat -Lfc %T $one) = overlayfs ] || readlink $one; done; \
         readlink /proc/{monitor}/fd/*"
    );
    let own = [
        // Of the environment's /dev.
        "/null",
        "/dev/null",
        "pipe:",
        "anon_inode:",
        "/run/caddis/1000/default/",
        "/var/lib/caddis/veil/",
        "user:[",
    ];
    // Its overlays and their guards have no place; the /proc is the environment's (see the test `descriptors`).
    let is_own =
        |line: &str| ["/", "/proc"].contains(&line) || own.iter().any(|one| line.starts_with(one));
    // The command may run before both have let go of what it took to start it.
    eventually("process 1 and the monitor hold what is theirs", || {
        host.sh("root", &list).stdout.lines().all(is_own)
    });
    running.kill(caddis_lab::Signal::KILL);
    running.wait().exits(137);
}

/// The one way to hand a directory in: as a standard stream.
#[test]
fn the_hosts_root_as_standard_input_gives_no_more_than_the_user_has() {
    let host = host();
    host.write("/etc/made-for-this", "x", 0o600);
    let attack = r#"
import os
def attempt(name, action):
    try:
        action()
        print("done", name)
    except OSError:
        print("refused", name)
read = lambda path: lambda: os.read(os.open(path, os.O_RDONLY, dir_fd=5), 9)
write = lambda path: lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=5))
for path in ["etc/shadow", "etc/made-for-this", "root/secret.txt", "home/bob/private.txt", "run/caddis/1000", "var/lib/caddis/env"]:
    attempt(path, read(path))
for path in ["etc/new", "root/new", "etc/passwd", "usr/bin/new", "home/bob/new"]:
    attempt(path, write(path))
attempt("chown", lambda: os.chown("etc/passwd", 1000, 1000, dir_fd=5))
attempt("chmod", lambda: os.chmod("usr/bin/env", 0o4755, dir_fd=5))
attempt("tmp", read("tmp/only-on-the-host"))
os.fchdir(5)
attempt("chroot", lambda: (os.chroot("."), read("etc/shadow")()))
"#;
    // Python does not start with a directory there, so that a shell passes it on.
    let python = [
        "bash",
        "-c",
        "exec python3 -c \"$0\" 5<&0 </dev/null",
        attack,
    ];
    let outside = launch(
        &host,
        &["--open", "0=/"],
        &[&["/usr/bin/env"], &python[..]].concat(),
    )
    .ok();
    assert_eq!(outside.stdout.matches("done").count(), 1, "{outside}");
    for role in ["user", "root"] {
        let words = [&[HELPER, "session", "--as", role, "--"], &python[..]].concat();
        let inside = launch(&host, &["--open", "0=/"], &words).ok();
        assert_eq!(inside.stdout, outside.stdout, "as {role}\n{inside}");
    }
}

#[test]
fn blocked_and_ignored_signals_do_not_get_in_the_way() {
    let host = host();
    host.policy("[session]\nlinger = \"0\"\n");
    for option in ["--block-all", "--ignore-all"] {
        let stays = |script: &str| {
            let argv = [LAUNCH, option, HELPER, "session", "--", "sh", "-c", script];
            host.command("alice", &argv).spawn()
        };
        for _ in 0..2 {
            let mut first = stays("echo in; read line; exit 3");
            assert_eq!(first.line(), "in");
            session(&host, &[option], &["sh", "-c", "exit 4"]).exits(4);
            session(&host, &[option], &["sh", "-c", "kill -KILL $$"]).exits(137);
            first.send("end\n");
            first.wait().exits(3);
        }
        let mut stopped = stays("echo in; exec sleep infinity");
        assert_eq!(stopped.line(), "in");
        host.policy("[session]\nlinger = \"0\"\nstop_grace = \"1s\"\n");
        host.caddis("alice", &["stop"]).run().ok();
        stopped.wait().fails();
        eventually("nothing is left", || host.count("caddis-init") == 0);
    }
}

#[test]
fn a_strange_mask_reaches_the_command_and_nothing_of_ours() {
    let host = host();
    for mask in ["777", "000"] {
        host.sh("root", "rm -rf /var/lib/caddis/env /run/caddis/1000")
            .ok();
        let seen = session(&host, &["--umask", mask], &["sh", "-c", "umask"]).ok();
        assert_eq!(
            seen.text().trim_start_matches('0'),
            mask.trim_start_matches('0')
        );
        host.sh("alice", "caddis config hostname=x").ok();
        let mut running = host.session("alice", "echo in; read line");
        running.line();
        let modes = "cd /var/lib/caddis/env; stat -c '%n %a' . 1000/default/{.,@,config} /run/caddis{,/1000{,/default{,/lock,/sessions,/init}}}";
        let modes = host.sh("root", modes).ok().stdout;
        for line in modes.lines() {
            let (name, mode) = line.split_once(' ').unwrap();
            let expected = match name.rsplit('/').next().unwrap() {
                "@" => "755",
                "config" | "lock" | "sessions" | "init" => "600",
                _ => "700",
            };
            assert_eq!(mode, expected, "{name}\n{modes}");
        }
        running.send("end\n");
        running.wait().ok();
        host.sh("alice", "caddis stop").ok();
    }
}

#[test]
fn a_directory_that_is_gone_or_closed_is_no_obstacle() {
    let host = host();
    for words in [
        &[HELPER, "session", "--home", "/home/alice", "--"][..],
        &["/usr/local/bin/caddis", "run"],
    ] {
        let output = launch(&host, &["--cwd-removed"], &[words, &["pwd"]].concat()).ok();
        assert_eq!(output.text(), "/home/alice", "{output}");
    }
    let closed = host
        .sh(
            "alice",
            "mkdir closed; cd closed; chmod 0 .; caddis run pwd",
        )
        .ok();
    assert!(closed.text().starts_with("/home/alice"), "{closed}");
    for place in [
        "/root",
        "/home/bob",
        "/nowhere",
        "/home/alice/private.txt",
        "/proc/1/root",
        "/proc/self/fd/0",
    ] {
        let words = [
            "session",
            "--home",
            "/home/alice",
            "--cwd",
            place,
            "--",
            "pwd",
            "-P",
        ];
        let output = launch(&host, &[], &[&[HELPER], &words[..]].concat()).ok();
        assert_eq!(output.text(), "/home/alice", "{place}\n{output}");
    }
}

/// What the helper hands over can be the caller's own text, and where it goes to is the caller's choice: a service that
/// asks the kernel who has sent it (SO_PASSCRED) is not to take it for root's.
#[test]
fn what_the_helper_says_is_said_by_the_caller() {
    let host = host();
    host.inside_root("alice", "echo mine > /var/lib/dpkg/status; touch /opt/mine")
        .ok();
    let listen = r#"
import socket, struct, subprocess, sys
here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
here.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
subprocess.run(sys.argv[1:], stdout=there, check=True)
text, about, _, _ = here.recvmsg(4096, 4096)
print(text.decode().split()[0], *struct.unpack("iII", about[0][2])[1:])
"#;
    for (words, said) in [
        (&["packages", "--status", "default"][..], "mine"),
        (
            &["revert", "--dry-run", "--", "/opt/mine"],
            "path=/opt/mine",
        ),
    ] {
        let words = [&["python3", "-c", listen, HELPER], words].concat();
        let heard = host.run("alice", &words).ok();
        assert_eq!(heard.text(), format!("{said} 1000 1000"), "{heard}");
    }
}

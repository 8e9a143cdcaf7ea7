//! What goes through `caddis run` to the command and back: status, signals, streams, surroundings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[test]
fn the_exit_status_is_the_commands_own() {
    let host = Host::start().unwrap();
    for code in [0, 1, 7, 124, 125, 126, 127, 128, 255] {
        host.inside("alice", &format!("exit {code}")).exits(code);
        host.inside_root("alice", &format!("exit {code}"))
            .exits(code);
    }
    // 128 and the number of the signal; 34 and 64 are real-time signals, 6 and 11 leave core dumps.
    for signal in [1, 2, 6, 9, 11, 13, 15, 34, 64] {
        let script = format!("ulimit -c 0; kill -{signal} $$");
        host.inside("alice", &script).exits(128 + signal);
    }
}

#[test]
fn a_command_that_cannot_be_run_is_126_or_127_and_caddis_itself_failing_125() {
    let host = Host::start().unwrap();
    host.sh(
        "alice",
        "echo text > plain; echo '#!/nowhere' > broken; chmod +x broken; mkdir d",
    )
    .ok();
    let run = |words: &[&str]| host.caddis("alice", &[&["run"], words].concat()).run();
    run(&["no-such-command"])
        .exits(127)
        .says("caddis: cannot execute no-such-command: No such file or directory");
    run(&["/no/such/command"]).exits(127);
    run(&["./broken"]).exits(127);
    run(&["./plain"])
        .exits(126)
        .says("caddis: cannot execute ./plain: Permission denied");
    run(&["./d"]).exits(126);
    run(&["./plain/x"]).exits(126);
    host.command("alice", &["caddis", "run", "printf", "x"])
        .env("PATH", "/usr/local/bin:/home/alice/plain:/usr/bin")
        .run()
        .ok();
    // An entry of PATH that is there but may not be executed is 126, as in a shell, unless a later one works.
    host.sh("alice", "mkdir bin; touch bin/tool").ok();
    let tool = host
        .command("alice", &["caddis", "run", "tool"])
        .env("PATH", "/home/alice/bin:/usr/local/bin");
    tool.run().exits(126);
    run(&[""]).exits(125).says("its name is empty");
    run(&["--no-such-option", "true"]).exits(125);
    run(&["-e", "../x", "true"]).exits(125).says("../x");
    run(&[]).exits(125);
}

#[test]
fn every_signal_reaches_the_command() {
    let host = Host::start().unwrap();
    // The command waits for all signals that can be blocked, and names each that comes.
    host.write(
        "/usr/local/bin/name-signals",
        "#!/usr/bin/python3\n\
         import signal\n\
         every = set(range(1, 65)) - {9, 19, 32, 33}\n\
         signal.pthread_sigmask(signal.SIG_BLOCK, every)\n\
         print('ready', flush=True)\n\
         while True: print(int(signal.sigwait(every)), flush=True)\n",
        0o755,
    );
    let mut session = host.caddis("alice", &["run", "name-signals"]).spawn();
    assert_eq!(session.line(), "ready");
    let outer = session.pid_in_host();
    // SIGCHLD is about one's own children; 32 and 33 belong to the C library.
    let mut passed = (1..=64).filter(|signal| ![9, 17, 19, 32, 33].contains(signal));
    for signal in passed.by_ref() {
        host.sh("alice", &format!("/bin/kill -{signal} {outer}"))
            .ok();
        assert_eq!(session.line(), signal.to_string());
    }
    // Another user may not, here as on the host.
    host.sh("bob", &format!("kill -TERM {outer}"))
        .fails()
        .says("not permitted");
    drop(session);
    let mut session = host.session("alice", "echo ready; exec sleep infinity");
    assert_eq!(session.line(), "ready");
    session.kill(caddis_lab::Signal::TERM);
    session.wait().exits(143);
}

#[test]
fn what_the_caller_ignores_or_blocks_is_ignored_and_blocked_inside() {
    let host = Host::start().unwrap();
    let masks = "grep -E '^(SigIgn|SigBlk|SigCgt):' /proc/self/status";
    for before in ["true", "trap '' HUP INT QUIT TERM TSTP USR1"] {
        let outside = host.sh("alice", &format!("{before}; {masks}")).ok();
        let inside = host
            .sh("alice", &format!("{before}; caddis run {masks}"))
            .ok();
        assert_eq!(inside.stdout, outside.stdout, "after {before}");
    }
    let block = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [2, 15, 40]); \
                 signal.signal(13, signal.SIG_DFL); signal.signal(25, signal.SIG_DFL); \
                 os.execvp(sys.argv[1], sys.argv[1:])";
    let grep = ["grep", "-E", "^Sig(Ign|Blk|Cgt):", "/proc/self/status"];
    let blocked = |words: &[&str]| {
        host.run("alice", &[&["python3", "-c", block], words].concat())
            .ok()
    };
    let inside = blocked(&[["caddis", "run"].as_slice(), &grep].concat());
    assert_eq!(inside.stdout, blocked(&grep).stdout);
    assert!(inside.stdout.contains("SigBlk:\t0000008000004002"));
}

#[test]
fn the_standard_streams_carry_any_bytes() {
    let host = Host::start().unwrap();
    // Every byte value, in an order that no line or block discipline survives.
    let mut state = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(8 << 20)
    .collect();
    let echoed = host
        .caddis("alice", &["run", "cat"])
        .stdin(&bytes)
        .run()
        .ok();
    assert!(echoed.raw_stdout == bytes && echoed.stderr.is_empty());
    let both = host
        .inside("alice", "echo out; echo err >&2; exit 3")
        .exits(3);
    assert_eq!(
        (both.stdout.as_str(), both.stderr.as_str()),
        ("out\n", "err\n")
    );
    // A reader who leaves ends the writer, as on the host.
    let left = host
        .sh("alice", "caddis run yes | head -n 1; echo ${PIPESTATUS[0]}")
        .ok();
    assert_eq!(left.stdout, "y\n141\n");
    // The file itself is passed on, not a copy of its bytes: position and append mode hold.
    let file = host
        .sh(
            "alice",
            "printf 'one\\ntwo\\nthree\\n' > f; { read -r a; caddis run bash -c 'read -r b; echo $b'; read -r c; \
             echo $c; } < f; caddis run echo four >> f; caddis run tail -n 1 f",
        )
        .ok();
    assert_eq!(file.stdout, "two\nthree\nfour\n");
}

#[test]
fn the_working_directory_is_the_callers() {
    let host = Host::start().unwrap();
    host.sh(
        "alice",
        "mkdir -p $'odd name\\n\\xff'/deep secret && chmod 0 secret",
    )
    .ok();
    let pwd = |directory: &str| {
        host.caddis("alice", &["run", "/bin/pwd"])
            .cwd(directory)
            .run()
            .ok()
    };
    for directory in ["/", "/usr/share/doc", "/home/alice", "/srv/proj", "/etc"] {
        let inside = pwd(directory);
        assert_eq!((inside.text(), inside.stderr.as_str()), (directory, ""));
    }
    let odd = host.sh("alice", "cd odd*/deep && caddis run /bin/pwd").ok();
    assert_eq!(odd.raw_stdout, b"/home/alice/odd name\n\xff/deep\n");
    // /tmp is the environment's own: a directory of the host's is not there, and that is said.
    host.sh("alice", "mkdir /tmp/of-the-host").ok();
    let elsewhere = pwd("/tmp/of-the-host").says(
        "caddis: cannot go to /tmp/of-the-host inside the environment: No such file or directory; starting in /home/alice",
    );
    assert_eq!(elsewhere.text(), "/home/alice");
    // A working directory that was removed.
    let gone = host.sh(
        "alice",
        "mkdir gone; cd gone; rmdir ../gone; caddis run /bin/pwd",
    );
    assert_eq!(gone.ok().text(), "/home/alice");
    assert_eq!(
        host.inside_root("alice", "/bin/pwd; echo $HOME")
            .ok()
            .stdout,
        "/home/alice\n/root\n"
    );
}

#[test]
fn all_variables_go_along_however_strange() {
    let host = Host::start().unwrap();
    let big = "x".repeat(100_000);
    let odd = OsStr::from_bytes(b"\xff\xfe \x1b[31m");
    let strange: [(&OsStr, &OsStr); 14] = [
        ("BLANKS".as_ref(), "  a  b ".as_ref()),
        ("LINES_".as_ref(), "one\ntwo\n".as_ref()),
        ("EMPTY".as_ref(), "".as_ref()),
        ("NOT_UTF8".as_ref(), odd),
        (odd, "odd name".as_ref()),
        ("a.b-c d".as_ref(), "x=y=z".as_ref()),
        ("+PLUS".as_ref(), "+".as_ref()),
        ("BASH_FUNC_f%%".as_ref(), "() { echo f; }".as_ref()),
        ("LD_LIBRARY_PATH".as_ref(), "/opt/lib:/nowhere".as_ref()),
        ("GCONV_PATH".as_ref(), "/nowhere".as_ref()),
        ("TMPDIR".as_ref(), "/var/tmp".as_ref()),
        ("LC_ALL".as_ref(), "xx_XX".as_ref()),
        ("IFS".as_ref(), "/".as_ref()),
        ("BIG".as_ref(), big.as_ref()),
    ];
    let variables = |words: &[&str]| -> BTreeSet<Vec<u8>> {
        let mut command = host.command("alice", words);
        for (name, value) in strange {
            command = command.env(name, value);
        }
        let output = command.run().ok();
        let split = output.raw_stdout.split(|byte| *byte == 0);
        split.map(<[u8]>::to_vec).collect()
    };
    let read = ["cat", "/proc/self/environ"];
    let mut expected = variables(&read);
    assert!(expected.len() >= strange.len() + 6);
    expected.insert(b"CADDIS_ENV=default".to_vec());
    expected.insert(b"debian_chroot=default".to_vec());
    assert_eq!(
        variables(&["caddis", "run", "cat", "/proc/self/environ"]),
        expected
    );
    // What is Caddis' own to say cannot be said by the caller.
    let lie = host
        .command(
            "alice",
            &["caddis", "run", "-e", "x", "printenv", "CADDIS_ENV"],
        )
        .env("debian_chroot", "y");
    assert_eq!(lie.run().ok().text(), "x");
    let roots = host
        .inside_root("alice", "echo $HOME $USER $LOGNAME $SHELL $CADDIS_ENV")
        .ok();
    assert_eq!(roots.text(), "/root root root /bin/bash default");
}

#[test]
fn mask_limits_priorities_and_groups_are_the_callers() {
    let host = Host::start().unwrap();
    let same = |before: &str, look: &str| {
        let outside = host.sh("alice", &format!("{before}; {look}")).ok();
        let inside = host
            .sh("alice", &format!("{before}; caddis run {look}"))
            .ok();
        assert_eq!(inside.stdout, outside.stdout, "{before}; {look}");
        inside.stdout
    };
    for mask in ["0000", "0022", "0027", "0077", "0777"] {
        let seen = same(&format!("umask {mask}"), "bash -c umask");
        assert_eq!(seen.trim(), mask);
    }
    let limits = "cat /proc/self/limits";
    same("true", limits);
    same("ulimit -Sn 100 -Sf 0 -c 0 -Ss 1024 -t 1000", limits);
    same(
        // Of processes, those of all hosts of this kernel count.
        "ulimit -n 64 -f 100 -v 4000000 -u 5000 -l 10 -q 1000 -i 77",
        limits,
    );
    same("renice -n 7 $$ > /dev/null", "nice");
    same(
        "chrt -p -b 0 $$; ionice -c 3 -p $$; taskset -cp 0 $$ > /dev/null",
        "bash -c '(chrt -p 0; ionice; taskset -cp 0) | cut -d: -f2'",
    );
    assert_eq!(
        same("true", "id"),
        "uid=1000(alice) gid=1000(alice) groups=1000(alice),2000(proj)\n"
    );
    // With another primary group, as after newgrp.
    let proj = host
        .sh(
            "alice",
            "sg proj -c 'caddis run id; caddis run touch f; stat -c %G f'",
        )
        .ok();
    assert_eq!(
        proj.stdout,
        "uid=1000(alice) gid=2000(proj) groups=2000(proj),1000(alice)\nproj\n"
    );
    host.inside(
        "alice",
        "cat /srv/proj/shared.txt; echo more >> /srv/proj/shared.txt",
    )
    .ok()
    .says("");
    let bob = host.inside("bob", "cat /srv/proj/shared.txt");
    bob.fails().says("Permission denied");
}

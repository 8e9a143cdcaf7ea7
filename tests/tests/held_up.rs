//! Users who hold something back on purpose, so that others, and root, would wait for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, HELPER, State};
use std::time::Duration;

/// A parent that never looks after its children keeps the dead ones in the environment's pid namespace.
#[test]
fn a_parent_that_leaves_a_dead_session_lying_is_ended() {
    let host = Host::start().unwrap();
    let program = "import ctypes, os, signal, subprocess, time\n\
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n\
        ctypes.CDLL(None).prctl(15, b'\\xff) Z 1 (', 0, 0, 0)\n\
        session = subprocess.Popen(['caddis', 'run', 'sh', '-c', 'echo; exec sleep infinity'], stdout=subprocess.PIPE)\n\
        session.stdout.readline()\n\
        while True:\n\
        \x20   try:\n\
        \x20       os.kill(session.pid, signal.SIGKILL)\n\
        \x20       break\n\
        \x20   except PermissionError:\n\
        \x20       pass\n\
        print('left', flush=True)\n\
        signal.pause()\n";
    let mut careless = host.command("alice", &["python3", "-c", program]).spawn();
    assert_eq!(careless.line(), "left");
    // What is dead is no session, although it can be seen still.
    caddis_lab::eventually("it is idle", || {
        host.sh("alice", "caddis list")
            .ok()
            .stdout
            .contains(" idle ")
    });
    let stop = host.command("root", &["caddis", "admin", "stop", "--user", "alice"]);
    stop.deadline(Duration::from_secs(60)).run().ok();
    assert_eq!(host.count("^caddis-init"), 0);
    careless.wait().exits(137);
    host.inside("alice", "true").ok();
}

/// A message to a caller who does not read it is no reason to keep the environment locked.
#[test]
fn a_caller_who_does_not_read_keeps_nobody_out() {
    let host = Host::start().unwrap();
    let program = format!(
        "import fcntl, os, subprocess\n\
         reader, writer = os.pipe()\n\
         os.set_blocking(writer, False)\n\
         try:\n\
         \x20   while os.write(writer, bytes(65536)): pass\n\
         except BlockingIOError: pass\n\
         os.set_blocking(writer, True)\n\
         helper = subprocess.Popen(['{HELPER}', 'session', '--home', '/nonexistent', '--', 'true'], stderr=writer)\n\
         print('started', flush=True)\n\
         helper.wait()\n"
    );
    let mut deaf = host.command("alice", &["python3", "-c", &program]).spawn();
    assert_eq!(deaf.line(), "started");
    caddis_lab::eventually("its view stands", || {
        host.first_process(1000, "default").is_some()
    });
    let run = host.command("root", &["caddis", "run", "--user", "alice", "echo", "ran"]);
    let ran = run.deadline(Duration::from_secs(30)).run().ok();
    assert_eq!(ran.stdout.trim_end(), "ran");
    deaf.kill(caddis_lab::Signal::KILL);
    deaf.wait();
}

/// A program may ask to be traced by its parent, to see whether somebody else does.
#[test]
fn a_command_that_has_itself_traced_goes_on() {
    let host = Host::start().unwrap();
    let program = "import ctypes, os, signal\n\
        signal.signal(signal.SIGUSR1, lambda *_: print('told', flush=True))\n\
        assert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0\n\
        os.kill(os.getpid(), signal.SIGUSR1)\n\
        assert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0\n\
        os.execvp('sh', ['sh', '-c', 'echo ran; exit 3'])\n";
    let output = host
        .caddis("alice", &["run", "python3", "-c", program])
        .run()
        .exits(3);
    assert_eq!(output.stdout, "told\nran\n");
}

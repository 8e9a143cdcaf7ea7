//! Environments are looked after from the prompt inside as from the host: `caddis status`, `diff`, `revert`, `list`,
//! `config`, `new`, `remove`, `ps`, `stop`, `doctor`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output, eventually};
use caddis_tests::{Environments, Ssh, State, Way, every_way};

every_way!(
    the_commands_do_what_they_do_on_the_host,
    what_fails_says_so,
    questions_are_answered_on_the_terminal,
    signals_reach_the_command,
    no_pager_is_started,
    stopping_everything_ends_the_login,
    nothing_is_left,
);

const PROMPT: &str = "alice@host:~$ ";

/// How many processes of alice's there are on the host that serve logins, or do what was asked for from inside.
fn servants(host: &Host) -> usize {
    host.count("^caddis-(attend|hold)") + host.count("caddis --from-inside")
}

/// Makes a change where the login lands, or what counts as one on the plain host.
fn change(ssh: &Ssh) {
    match ssh.way {
        Way::Plain => ssh.host.inside_root("alice", "echo mine > /etc/mine"),
        _ => ssh.run("sudo sh -c 'echo mine > /etc/mine'"),
    }
    .ok();
}

fn the_commands_do_what_they_do_on_the_host(way: Way) {
    let ssh = Ssh::start(way);
    change(&ssh);
    let told = ssh
        .run(
            "caddis status > out; grep -o '1 added' out; caddis ps | head -c 3; caddis doctor | head -c 2",
        )
        .ok();
    assert_eq!(told.stdout, "1 added\nENVok");
    // Relative to where one is, into a file that is where one is.
    let told = ssh.run("cd /etc; caddis diff --name-only . ../etc/mine; cd /var/tmp; caddis diff --patch /etc > it; tail -n 1 it; rm it").ok();
    assert_eq!(told.stdout, "/etc/mine\n+mine\n");
    // The environment that is meant is the one that one is in.
    ssh.run("caddis new x; caddis config default=x").ok();
    assert_eq!(
        ssh.host.caddis("alice", &["config"]).run().ok().stdout,
        "default=x\n"
    );
    let known = ssh.run("caddis list --names").ok();
    assert_eq!(known.stdout, "default\nx\n");
    let login = |command: &str| {
        let place = "SetEnv=CADDIS_LOGIN_ENV=default";
        let output = ssh.ssh(&["-o", place, "there", command]).run();
        output.ok().stdout
    };
    let meant = match way {
        Way::Plain => "",
        _ => "/etc/mine\n",
    };
    assert_eq!(login("true; caddis diff --name-only"), meant);
    assert_eq!(
        login(
            "caddis revert -e default /etc/mine; caddis config default=; caddis remove --yes x; caddis list --names"
        ),
        "A  /etc/mine\ndefault\n"
    );
    if way != Way::Plain {
        for root in ["sudo", "caddis root"] {
            let told = ssh.run(&format!("{root} touch /etc/mine; {root} caddis diff --name-only; {root} caddis revert /etc/mine; ls /etc/mine"));
            assert_eq!(told.stdout, "/etc/mine\nA  /etc/mine\n", "{told}");
        }
        // Many at a time; who comes too early waits.
        let many =
            "for n in $(seq 40); do caddis list > many$n & done; wait; cat many* | grep -c default";
        assert_eq!(ssh.run(many).ok().text(), "40");
    }
    ssh.lands();
}

fn what_fails_says_so(way: Way) {
    let ssh = Ssh::start(way);
    let failed = |command: &str, status| {
        let output = ssh.run(&format!("true; {command}")).exits(status);
        assert_eq!(output.stdout, "", "{output}");
        output
    };
    failed("caddis revert -e nope /x", 125).says("there is none of that name");
    failed("caddis frob", 2).says("unrecognized subcommand");
    failed("caddis stop a b", 2).says("unexpected argument");
    failed("caddis remove nope", 125).says("no terminal to ask on");
    failed("caddis status --user bob", 125);
    // A stream that is closed is no reason to fail; one that cannot be written is.
    ssh.run("true; caddis doctor <&- 2>&-").ok();
    failed("caddis doctor > /dev/full", 125).says("No space left");
    if way != Way::Plain {
        let long = "caddis revert --yes $(seq -f /etc/%0100g 1000)";
        failed(long, 125).says("Message too long");
        // The directory is gone.
        let gone = "mkdir d; cd d; rmdir ../d; caddis";
        ssh.run(&format!("{gone} list")).ok();
        failed(&format!("{gone} revert --yes x"), 125).says("find the working directory");
    }
}

fn questions_are_answered_on_the_terminal(way: Way) {
    let ssh = Ssh::start(way);
    ssh.run("caddis new old").ok();
    let mut pty = ssh.login();
    pty.send("caddis remove old\n");
    pty.expect("for good? [y/N] ");
    pty.send("n\n");
    pty.expect(PROMPT);
    pty.send("echo status=$?\n");
    pty.expect("status=1\r\n");
    // Stopped meanwhile, what is typed is the shell's.
    pty.send("caddis remove old\n");
    pty.expect("for good? [y/N] ");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect(PROMPT);
    pty.send("echo mine=$((40 + 2))\n");
    pty.expect("mine=42\r\n");
    pty.send("fg\n");
    pty.expect("caddis remove old\r\n");
    pty.send("y\n");
    pty.expect(PROMPT);
    pty.send("exit\n");
    pty.wait().ok();
    assert!(
        !ssh.host
            .caddis("alice", &["list"])
            .run()
            .ok()
            .stdout
            .contains("old")
    );
}

fn signals_reach_the_command(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    let make =
        "mkdir ../../var/tmp/many && cd /var/tmp/many && touch $(seq -f 'a-long-name-%060g' 4000)";
    match way {
        Way::Plain => host.inside("alice", make),
        _ => ssh.run(make),
    }
    .ok();
    // Nobody reads what it says, so that it cannot end.
    let diff = "mkfifo fifo; exec 9<> fifo; caddis diff --name-only > fifo";
    let at_work = || host.count("caddis.* diff --name-only$");
    let mut pty = ssh.login();
    pty.send(&format!("{diff}\n"));
    eventually("it runs", || at_work() > 0);
    pty.send("\x03");
    pty.expect(PROMPT);
    pty.send("echo status=$?\n");
    pty.expect("status=130\r\n");
    eventually("it has ended", || at_work() == 0);
    // Who is killed leaves nothing running either.
    pty.send("caddis diff --name-only > fifo &\n");
    eventually("it runs", || at_work() > 0);
    pty.send("kill -9 $!\n");
    eventually("it has ended", || at_work() == 0);
    // A connection that is gone, too.
    pty.send("caddis diff --name-only > fifo\n");
    eventually("it runs", || at_work() > 0);
    drop(pty.hang_up());
    eventually("it has ended", || at_work() == 0);
    eventually("nothing is left", || servants(host) == 0);
}

/// Neither one that the login would have, nor one that is asked for inside.
fn no_pager_is_started(way: Way) {
    if way == Way::Plain {
        return;
    }
    let ssh = Ssh::start_with(way, "SetEnv CADDIS_PAGER=/home/alice/pager\n");
    let pager = "/home/alice/pager";
    ssh.host
        .write(pager, "#!/bin/sh\ntouch /home/alice/paged; cat\n", 0o755);
    change(&ssh);
    let mut pty = ssh.login();
    pty.send(&format!(
        "export PAGER={pager} CADDIS_PAGER={pager}; caddis diff; caddis diff --patch\n"
    ));
    pty.expect("/etc/mine\r\n");
    pty.expect("+mine\r\n");
    pty.expect(PROMPT);
    pty.send("exit\n");
    pty.wait().ok();
    assert!(!ssh.host.exists("/home/alice/paged"));
}

fn stopping_everything_ends_the_login(way: Way) {
    if way == Way::Plain {
        return;
    }
    let ssh = Ssh::start(way);
    ssh.host.policy("[session]\nstop_grace = \"0\"\n");
    ssh.run("true; caddis stop").fails();
    let mut pty = ssh.login();
    pty.send("caddis stop --all\n");
    pty.wait().fails();
    eventually("nothing is left", || {
        servants(&ssh.host) == 0 && ssh.host.count("caddis-helper") == 0
    });
    // In use, it is not removed; by force, it is, and the login with it.
    let refused = ssh.run("true; caddis remove --yes default").exits(125);
    assert!(
        refused.stderr.contains("sessions are running in it"),
        "{refused}"
    );
    ssh.run("true; caddis remove --yes --force default").fails();
    eventually("it is gone", || {
        let list = ssh.host.caddis("alice", &["list", "--json"]).run().ok();
        list.text() == "[]"
    });
    eventually("nothing is left", || servants(&ssh.host) == 0);
    ssh.lands();
}

fn nothing_is_left(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    let names = "find / -xdev -name '.caddis-*'";
    let served = ssh.run("echo $CADDIS_HOST; true").ok();
    assert_eq!(served.text().is_empty(), way == Way::Plain);
    assert_eq!(host.sh("root", names).stdout, "");
    eventually("they end with the login", || servants(host) == 0);
    let mut child = ssh.ssh(&["there", "echo in; read -r line"]).spawn();
    assert_eq!(child.line(), "in");
    let there = usize::from(way != Way::Plain);
    // They are called so a moment after the session has begun.
    eventually("both are there", || servants(host) == 2 * there);
    // What ends a login at once, from the host.
    host.sh("root", "pkill -9 -x sshd -u alice").ok();
    eventually("they end with the connection", || servants(host) == 0);
    assert_eq!(host.sh("root", names).stdout, "");
    drop(child);
}

/// Connects to the attendant as nothing of ours would. Arguments: the case.
const CLIENT: &str = r#"
import os, socket, sys
place = os.environ["CADDIS_HOST"]
def ask(message, fds, more=None):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(60)
    s.connect(place)
    socket.send_fds(s, [message], fds)
    try:
        if more: s.send(more)
    except BrokenPipeError: pass
    try: return s.recv(4096)
    except ConnectionResetError: return b""
def words(*all): return b"".join(w.encode() + b"\0" for w in ("default", "/", "", "") + all)
three = [0, 1, 2]
directory = os.open("/etc", os.O_RDONLY)
out = os.open("/dev/null", os.O_RDWR)
quiet = [out, out, out]
for name, answer in {
    "run": ask(words("run", "touch", "/home/alice/ran"), quiet),
    "enter": ask(words("enter"), quiet),
    "root": ask(words("root", "id"), quiet),
    "try": ask(words("try", "id"), quiet),
    "admin": ask(words("admin", "list"), quiet),
    "generate": ask(words("generate", "man", "/home/alice"), quiet),
    "option": ask(words("--from-inside", "a", "b", "run", "id"), quiet),
    "nothing": ask(words(), quiet),
    "empty": ask(b"\0", quiet),
    "no end": ask(words("list")[:-1], quiet),
    "too long": ask(words("list", "x" * 70000), quiet),
    "no streams": ask(words("list"), []),
    "two streams": ask(words("list"), quiet[:2]),
    "four streams": ask(words("list"), quiet + [out]),
    "directory": ask(words("list"), [out, directory, out]),
}.items(): print(name, answer)
print("list", ask(words("list"), quiet))
print("signals", ask(words("list"), quiet, b"\x00") in (b"e\x00", b""))
idle = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(15)]
[s.connect(place) for s in idle]
print("beside idle ones", ask(words("list"), quiet))
"#;

#[test]
fn a_hand_made_client_gets_no_more() {
    let ssh = Ssh::start(Way::ForceCommand);
    ssh.host.write("/home/alice/client", CLIENT, 0o644);
    for who in ["", "sudo --preserve-env=CADDIS_HOST "] {
        let told = ssh.run(&format!("{who}python3 client")).ok();
        let mut answers = told.stdout.lines();
        for _ in 0..15 {
            let answer = answers.next().unwrap();
            assert!(answer.ends_with(" b''"), "{told}");
        }
        let rest: Vec<&str> = answers.collect();
        assert_eq!(
            rest,
            [
                "list b'e\\x00'",
                "signals True",
                "beside idle ones b'e\\x00'"
            ],
            "{told}"
        );
    }
    assert!(!ssh.host.exists("/home/alice/ran"));
    assert!(!ssh.host.exists("/home/alice/caddis.1"));
}

#[test]
fn daemons_inside_cannot_ask() {
    let ssh = Ssh::start(Way::ForceCommand);
    let as_daemon = "sudo --preserve-env=CADDIS_HOST,CADDIS_ENV -u daemon";
    let refused = ssh
        .run(&format!("true; {as_daemon} caddis list"))
        .exits(125);
    refused.says("this is inside the environment \"default\"");
    let tried = "import os, socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(os.environ[\"CADDIS_HOST\"])";
    ssh.run(&format!("true; {as_daemon} python3 -c '{tried}'"))
        .exits(1)
        .says("Permission denied");
    // Nor with the descriptor in hand: it is no right to connect.
    let handed = format!(
        "true; exec 3< $CADDIS_HOST || sudo python3 -c 'import os; f = os.open(os.environ[\"CADDIS_HOST\"], os.O_PATH); \
         os.set_inheritable(f, True); os.environ[\"CADDIS_HOST\"] = f\"/proc/self/fd/{{f}}\"; os.setgroups([]); os.setgid(1); os.setuid(1); \
         {tried}'"
    );
    ssh.run(&handed).exits(1).says("Permission denied");
}

/// With nobody to ask, the old answer, and what to do.
fn is_refused(output: &Output) {
    assert_eq!(output.code(), 125, "{output}");
    assert!(
        output
            .stderr
            .contains("cannot do that here: this is inside the environment \"default\"")
            && output.stderr.contains("hint: `ssh HOST caddis …` does it"),
        "{output}"
    );
}

#[test]
fn the_way_is_closed_with_the_login() {
    let ssh = Ssh::start(Way::ForceCommand);
    let host = &ssh.host;
    // What goes on afterwards, as tmux would. Who has been answered has an attendant, called so, whose end can be seen.
    let left = "mkfifo go; caddis list > /dev/null; (setsid sh -c 'read x < go; caddis list 2> told; echo $? > told2; mv told2 done' &) > /dev/null 2>&1; echo $CADDIS_HOST";
    let place = ssh.run(left).ok();
    eventually("the login has ended", || servants(host) == 0);
    host.sh("alice", "echo > go").ok();
    eventually("it was refused", || host.exists("/home/alice/done"));
    assert_eq!(host.read_text("/home/alice/done"), "125\n");
    assert!(
        host.read_text("/home/alice/told")
            .contains("`ssh HOST caddis …` does it")
    );
    is_refused(&ssh.run(&format!("true; CADDIS_HOST={} caddis list", place.text())));
    for odd in ["", "/", "/etc/passwd", "/nowhere", "relative", "$(seq 100)"] {
        is_refused(&ssh.run(&format!("true; CADDIS_HOST=\"{odd}\" caddis list")));
    }
    // Nor is there one where there was no login.
    let inside = host.inside("alice", "caddis list").exits(125);
    assert!(
        inside.stderr.contains("the environment \"default\"")
            && inside.stderr.contains("leave it first"),
        "{inside}"
    );
    let nameless = host.inside("alice", "CADDIS_ENV= caddis list").exits(125);
    assert!(
        nameless.stderr.contains("this is inside an environment"),
        "{nameless}"
    );
}

#[test]
fn a_killed_attendant_is_told() {
    let ssh = Ssh::start(Way::ForceCommand);
    let host = &ssh.host;
    ssh.run("true; caddis new old").ok();
    let mut pty = ssh.login();
    pty.send("caddis remove old\n");
    pty.expect("for good? [y/N] ");
    host.sh("root", "pkill -9 -x caddis-attend").ok();
    pty.expect("it has ended without an answer\r\n");
    pty.expect(PROMPT);
    eventually("nobody else reads what is typed", || {
        host.count("caddis --from-inside") == 0
    });
    pty.send("caddis list\n");
    pty.expect("this is inside the environment \"default\"\r\n");
    // The login goes on.
    pty.send("exit\n");
    pty.wait().exits(125);
    ssh.lands();
}

/// `ssh HOST caddis …` does not come by way of the environment.
#[test]
fn who_has_broken_their_shells_gets_them_back() {
    for way in [Way::ForceCommand, Way::Shell] {
        let ssh = Ssh::start(way);
        ssh.run("sudo rm /usr/bin/bash /usr/bin/sh /usr/bin/dash")
            .ok();
        let locked_out = ssh.run("id").exits(125);
        assert!(
            locked_out
                .stderr
                .contains("execute /bin/bash: No such file")
                && locked_out.stderr.contains("hint: ")
                && locked_out.stderr.contains("`ssh HOST caddis status`"),
            "{locked_out}"
        );
        assert!(ssh.run("caddis status").ok().stdout.contains("3 deleted"));
        let back = ssh
            .run("caddis revert --yes /usr/bin/bash /usr/bin/sh /usr/bin/dash")
            .ok();
        assert_eq!(back.stdout.lines().count(), 3, "{back}");
        ssh.lands();
    }
}

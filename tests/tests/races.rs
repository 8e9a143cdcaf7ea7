//! Attacks that wait for their moment: on a session that starts, on one that joins, on what it leaves when it is
//! killed. `tests/attacks/stepper.py` finds the moments by counting system calls, so each of them is met.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, Output};
use caddis_tests::attack::{DIRECTORY, install};
use caddis_tests::{Environments, State};

const PROGRAMS: [(&str, &str); 8] = [
    ("stepper.py", include_str!("../attacks/stepper.py")),
    ("starts.py", include_str!("../attacks/starts.py")),
    ("grab.py", include_str!("../attacks/grab.py")),
    (
        "kill_everywhere.py",
        include_str!("../attacks/kill_everywhere.py"),
    ),
    (
        "grab_everywhere.py",
        include_str!("../attacks/grab_everywhere.py"),
    ),
    (
        "swap_everywhere.py",
        include_str!("../attacks/swap_everywhere.py"),
    ),
    (
        "stop_everywhere.py",
        include_str!("../attacks/stop_everywhere.py"),
    ),
    ("push_input.py", include_str!("../attacks/push_input.py")),
];

/// Numbers of the processes of a start, as `stepper.py` counts them.
const HELPER: &str = "0";
const PROCESS_1: &str = "1";
const OWNER_OF_USER_NAMESPACE: &str = "2";
const COMMAND: &str = "3";
const JOINING_COMMAND: &str = "1";

/// A host with the attack programs on it, and with `/tmp/only-on-the-host`.
fn host() -> Host {
    let host = Host::start().unwrap();
    host.sh("root", "echo host > /tmp/only-on-the-host").ok();
    install(&host, &PROGRAMS);
    host
}

/// One where an instance ends with its last session.
fn host_without_linger() -> Host {
    let host = host();
    host.policy("[session]\nlinger = \"0\"\n");
    host
}

fn everywhere(host: &Host, what: &str, words: &[&str]) -> Output {
    let program = format!("{DIRECTORY}/{what}_everywhere.py");
    host.run("root", &[&["python3", program.as_str()], words].concat())
        .ok()
}

/// The number at the end of the last line, which says how often the attack was made.
fn count(output: &Output) -> u32 {
    let last = output.stdout.split_whitespace().next_back();
    last.and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no number at the end\n{output}"))
}

#[track_caller]
fn killed(host: &Host, words: &[&str], least: u32) {
    let output = everywhere(host, "kill", words);
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    assert!(count(&output) >= least, "{output}");
}

#[test]
fn a_helper_killed_at_any_moment_leaves_nothing_and_harms_nothing() {
    let host = host_without_linger();
    killed(&host, &[HELPER, "1"], 150);
    // It makes one call: the one that ends it.
    killed(&host, &[OWNER_OF_USER_NAMESPACE, "1"], 1);
    killed(&host, &[HELPER, "1", "join"], 80);
}

#[test]
fn a_process_1_or_a_command_killed_at_any_moment_leaves_nothing_and_harms_nothing() {
    let host = host_without_linger();
    killed(&host, &[PROCESS_1, "4"], 100);
    killed(&host, &[COMMAND, "2"], 30);
    killed(&host, &[JOINING_COMMAND, "2", "join"], 30);
}

#[test]
fn a_joining_session_yields_nothing_at_any_moment() {
    let host = host_without_linger();
    let output = everywhere(&host, "grab", &[JOINING_COMMAND, "1", "join"]);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(count(&output) > 30, "{output}");
    // Once it is alice's own command, the same attacks work from inside; from the host they still do not.
    let everything = "root cwd fd pidfd_getfd mem process_vm_readv seize attach environ auxv exe fdinfo map_files ns/mnt";
    let expected = [
        "alice on the host got from the command:".to_owned(),
        format!("alice inside got from the command: {everything}"),
        format!("root inside got from the command: {everything}"),
    ];
    assert_eq!(lines[..lines.len() - 1], expected, "{output}");
}

#[test]
fn a_starting_session_yields_nothing_to_its_user_on_the_host() {
    let host = host_without_linger();
    // The owner of the user namespace is gone with its one system call.
    for (victim, stride) in [(HELPER, "3"), (PROCESS_1, "9"), (COMMAND, "3")] {
        let output = everywhere(&host, "grab", &[victim, stride]);
        // Nor from what it has become at the end.
        let nothing = "alice on the host got from the command:";
        let lines = output.stdout.lines().filter(|line| *line != nothing);
        assert_eq!(lines.count(), 1, "{output}");
        assert!(count(&output) >= 1, "{output}");
    }
}

#[test]
fn somebody_who_waits_for_the_next_session_catches_nothing() {
    let host = host();
    let grab = format!("{DIRECTORY}/grab.py");
    let mut attackers = ["run", "root"].map(|role| {
        let mut attacker = host
            .caddis("alice", &[role, &grab, "next", "250", "10"])
            .spawn();
        assert_eq!(attacker.line(), "waiting");
        attacker
    });
    // As many as they want, and some more: one that is over before it was looked at does not count.
    let mut joins = host.spawn(
        "alice",
        "while :; do caddis run true; caddis root true; done",
    );
    for attacker in &mut attackers {
        let said = attacker.until("\ntried ");
        assert!(!said.contains("got ") && !said.contains("host "), "{said}");
        let caught = said.lines().find_map(|line| line.strip_prefix("caught "));
        // So many were still the helper after an attempt on them.
        let caught: u32 = caught.unwrap().parse().unwrap();
        assert!(caught >= 10, "{said}");
    }
    joins.kill(caddis_lab::Signal::KILL);
    joins.wait();
}

#[test]
fn what_stays_of_caddis_while_a_session_runs_cannot_be_got_at() {
    let host = host();
    let grab = |ids: &str| format!("{DIRECTORY}/grab.py once {ids}");
    let mut session = host.session("alice", "echo $$; read line");
    let command_inside = session.line();
    let monitor = session.pid_in_host().to_string();
    let process_1 = host.first_process(1000, "default").unwrap().to_string();
    let pgrep = format!("pgrep -P {monitor} bash");
    let command = host.sh("root", &pgrep).ok().text().to_owned();
    // On the host: neither process 1 nor the session's outer process, nor her own command.
    for user in ["alice", "bob"] {
        let ids = format!("{monitor} {process_1} {command}");
        let output = host.sh(user, &grab(&ids)).ok();
        assert_eq!(output.stdout, "tried 45\n", "{output}");
    }
    // Inside: not process 1. Her own command is hers.
    let inside = host.inside("alice", &grab("1")).ok();
    assert_eq!(inside.stdout, "tried 15\n", "{inside}");
    let root = host.inside_root("alice", &grab("1")).ok();
    assert_eq!(root.stdout, "tried 15\n", "{root}");
    let own = host.inside("alice", &grab(&command_inside)).ok();
    assert!(own.stdout.contains("got mem"), "{own}");
    assert!(!own.stdout.contains("host "), "{own}");
    // The attacks work where they should, and the mark is found by who has the host's root directory.
    let sleeper =
        "sleep infinity & trap 'kill $!' EXIT; until grep -q sleep /proc/$!/comm; do :; done; ";
    let control = host.sh("alice", &format!("{sleeper} {}", grab("$!"))).ok();
    for way in ["root", "cwd", "fd", "mem", "seize", "attach", "pidfd_getfd"] {
        assert!(control.stdout.contains(&format!("got {way} ")), "{control}");
    }
    assert!(control.stdout.contains("host root"), "{control}");
    session.send("end\n");
    session.wait().ok();
}

#[test]
fn a_link_exchanged_under_a_starting_session_leads_nowhere_else() {
    let host = host_without_linger();
    // The commands as alice and as root: how often her own directory was taken, and how often she was told no.
    let ran = |victim: &str, stride: &str| -> Vec<(u32, u32)> {
        let output = everywhere(&host, "swap", &[victim, stride]);
        assert_eq!(output.stdout.lines().count(), 2, "{output}");
        let number = |line: &str, word: &str| -> u32 {
            let rest = line.split_once(word).unwrap().1;
            rest.trim().split(',').next().unwrap().parse().unwrap()
        };
        let lines = output.stdout.lines();
        lines
            .map(|line| (number(line, "taken"), number(line, "refused")))
            .collect()
    };
    for (taken, refused) in ran(HELPER, "2") {
        assert!(taken > 5 && refused > 5, "{taken} taken, {refused} refused");
    }
    // The home is a link, so a process of its own looks it up; process 1 is the next one.
    for (taken, refused) in ran(PROCESS_1, "1") {
        assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    }
    for (taken, _) in ran("2", "7") {
        assert!(taken > 1, "{taken} taken");
    }
}

/// Stops a process at many moments; how often the user could do so, and how many moments there were.
#[track_caller]
fn nobody_waits(host: &Host, words: &[&str]) -> (u32, u32) {
    let output = everywhere(host, "stop", words);
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    let numbers: Vec<u32> = output
        .stdout
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    (numbers[0], numbers[1])
}

/// Others need the locks that a helper holds. Before it has one, and when it has none any more, it may be stopped.
#[test]
fn a_helper_that_is_stopped_at_any_moment_keeps_nobody_waiting() {
    let host = host();
    host.policy("[session]\nlinger = \"0\"\nstop_grace = \"100ms\"\n");
    for (stride, what, least) in [
        ("5", "start", 30),
        ("5", "join", 20),
        ("4", "remove", 10),
        ("4", "new", 10),
    ] {
        let (stopped, moments) = nobody_waits(&host, &[HELPER, stride, what]);
        assert!(moments >= least, "{what}: {moments} moments");
        // The control: it can be stopped at all, and most of the time it cannot.
        assert!(
            stopped > 0 && stopped < moments,
            "{what}: {stopped} of {moments}"
        );
    }
}

#[test]
fn process_1_cannot_be_stopped_by_its_user_on_the_host() {
    let host = host();
    host.policy("[session]\nlinger = \"0\"\nstop_grace = \"100ms\"\n");
    let (stopped, moments) = nobody_waits(&host, &[PROCESS_1, "25", "start"]);
    assert!(stopped == 0 && moments > 8, "{stopped} of {moments}");
    // Nor with an id of the environment's, which a setuid program of its root's gives on the host.
    host.sh("alice", "chmod 755 ~").ok();
    let copy = "cp /bin/kill /home/alice/kill; chmod 6755 /home/alice/kill; chown root /home/alice/kill; chmod 6755 /home/alice/kill";
    host.inside_root("alice", copy).ok();
    let words = [PROCESS_1, "25", "start", "/home/alice/kill"];
    let (stopped, moments) = nobody_waits(&host, &words);
    assert!(stopped == 0 && moments > 8, "{stopped} of {moments}");
}

#[test]
fn a_session_that_is_stopped_does_not_keep_its_instance_from_ending() {
    let host = host();
    host.policy("[session]\nstop_grace = \"200ms\"\n");
    let endings = [
        ("alice", "caddis stop"),
        ("root", "caddis admin stop --user alice"),
        ("root", "caddis admin stop --all"),
        ("alice", "caddis remove --yes --force default"),
    ];
    for (user, ending) in endings {
        // One is stopped by its user on the host, one has stopped along with its command.
        let sessions = "caddis run sleep infinity & one=$!; caddis run sh -c 'kill -STOP $$; :' & other=$!; \
                        until pgrep -P $one sleep; do :; done; until kill -STOP $one 2>/dev/null; do :; done; echo started $one $other; wait $one; wait $other";
        let mut shell = host.spawn("alice", sessions);
        shell.until("started ");
        let pids = shell.line();
        caddis_lab::eventually("both are stopped", || {
            let states = pids
                .split(' ')
                .map(|pid| host.read_text(&format!("/proc/{pid}/stat")));
            states.into_iter().all(|stat| stat.contains(") T "))
        });
        let ended = host.command(user, &["bash", "-c", ending]);
        ended
            .deadline(std::time::Duration::from_secs(30))
            .run()
            .ok();
        assert_eq!(host.count("caddis-init"), 0, "{ending}");
        // The next one starts, although the processes may be stopped still.
        let next = host.caddis("alice", &["run", "echo", "ran"]);
        let next = next.deadline(std::time::Duration::from_secs(30)).run().ok();
        assert_eq!(next.text(), "ran");
        host.sh("root", &format!("kill -CONT {pids}; true")).ok();
        shell.wait();
        host.sh("alice", "caddis stop").ok();
    }
}

/// As far as the kernel lets anybody push input at all.
#[test]
fn nothing_can_be_typed_into_the_terminal_of_root_who_runs_something_for_a_user() {
    let host = host();
    let push = format!("python3 {DIRECTORY}/push_input.py");
    let mut pty = host.pty("root", &["bash", "--norc"]);
    let mut type_in = |line: &str| {
        pty.send(&format!("{line}; echo end-of-$((1+1))\n"));
        pty.expect("end-of-2");
        // What was pushed stands before this in the terminal's queue.
        pty.send("echo and-of-$((1+2))\n");
        pty.expect("and-of-3");
    };
    let nowhere = "</dev/null >/dev/null 2>&1";
    let streams = [
        "",
        "</dev/null",
        ">/dev/null",
        "2>/dev/null",
        "</dev/null 2>/dev/null",
        nowhere,
    ];
    for (number, streams) in streams.into_iter().enumerate() {
        for role in ["run", "root"] {
            let touch = format!("'touch /tmp/pushed-{role}-{number}'");
            type_in(&format!(
                "caddis {role} --user alice {push} {touch} {streams}"
            ));
        }
    }
    let helper =
        "/usr/local/libexec/caddis/caddis-helper session --for 1000:1000 --home /home/alice --";
    type_in(&format!(
        "env -i {helper} {push} 'touch /tmp/pushed-helper'"
    ));
    let pushed = host.sh("root", "ls /tmp | grep pushed");
    assert_eq!(pushed.text(), "", "{pushed}");
    // The attack works where somebody becomes another user on root's own terminal.
    if host.read_text("/proc/sys/dev/tty/legacy_tiocsti").trim() == "1" {
        type_in(&format!(
            "setpriv --reuid=1000 --regid=1000 --clear-groups {push} 'touch /tmp/pushed'"
        ));
        assert!(host.exists("/tmp/pushed"));
    }
}

//! The relay against real terminals. `setsid --ctty` stands for the helper: it begins a session and takes the terminal
//! it is given for its own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};

use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcgetwinsize};

use super::*;

/// A terminal with a person at it.
struct Person {
    /// What the person sees and types on.
    side: File,
    /// The programs' side of it.
    terminal: OwnedFd,
}

impl Person {
    fn sit_down() -> Self {
        let size = Winsize {
            ws_row: 11,
            ws_col: 77,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = Pty::like(None, Some(size), true).unwrap();
        rustix::fs::fcntl_setfl(&pty.master, OFlags::RDWR).unwrap();
        Self {
            side: File::from(pty.master),
            terminal: pty.slave,
        }
    }

    /// Runs a shell script behind the relay with these streams on the terminal.
    fn run(&self, script: &str, [input, output, error]: [bool; 3]) -> Running {
        let null = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        let stream = |terminal: bool| {
            if terminal {
                self.terminal.as_fd()
            } else {
                null.as_fd()
            }
        };
        let outer = Outer::new([stream(input), stream(output), stream(error)]).unwrap();
        let mut command = Command::new("setsid");
        if input {
            command.arg("--ctty");
        }
        command.args(["sh", "-c", script]);
        for (terminal, set) in [
            (
                output,
                Command::stdout as fn(&mut Command, Stdio) -> &mut Command,
            ),
            (error, Command::stderr),
        ] {
            if !terminal {
                set(&mut command, Stdio::null());
            }
        }
        if !input {
            command.stdin(Stdio::null());
        }
        let (ended, end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
        let thread = thread::spawn(move || {
            let code = relay(command, outer);
            drop(end);
            code
        });
        Running { thread, ended }
    }

    /// Reads until the text has been seen, or the command has ended without showing it.
    fn see(&mut self, running: &Running, text: &[u8]) -> Vec<u8> {
        let mut seen = Vec::new();
        let mut chunk = vec![0; 65536];
        loop {
            let searched = seen.len().saturating_sub(text.len());
            let mut waiting = [
                PollFd::new(&self.side, PollFlags::IN),
                PollFd::new(&running.ended, PollFlags::IN),
            ];
            poll(&mut waiting, None).unwrap();
            assert!(
                waiting[0].revents().contains(PollFlags::IN),
                "only {:?}",
                String::from_utf8_lossy(&seen)
            );
            let count = self.side.read(&mut chunk).unwrap();
            seen.extend_from_slice(&chunk[..count]);
            if seen[searched..]
                .windows(text.len())
                .any(|window| window == text)
            {
                return seen;
            }
        }
    }

    fn type_in(&mut self, keys: &[u8]) {
        self.side.write_all(keys).unwrap();
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.terminal)
            .unwrap()
            .local_modes
            .contains(LocalModes::ECHO)
    }
}

const ALL: [bool; 3] = [true; 3];

/// A relay at work.
struct Running {
    thread: JoinHandle<Result<u8, Error>>,
    /// Says that it is not any more.
    ended: OwnedFd,
}

fn code(running: Running) -> u8 {
    running.thread.join().unwrap().unwrap()
}

#[test]
fn the_status_is_passed_on() {
    let person = Person::sit_down();
    assert_eq!(code(person.run("exit 7", ALL)), 7);
    assert_eq!(code(person.run("kill -TERM $$", ALL)), 143);
}

#[test]
fn keys_and_screen_are_passed_on_and_the_terminal_is_given_back() {
    let mut person = Person::sit_down();
    assert!(person.echoes());
    let running = person.run("read line; echo \"got $line\"; read line; exit 3", ALL);
    person.type_in(b"hello\r");
    person.see(&running, b"got hello\r\n");
    assert!(!person.echoes(), "the outer terminal is raw meanwhile");
    person.type_in(b"\r");
    assert_eq!(code(running), 3);
    assert!(person.echoes());
}

#[test]
fn every_byte_passes_both_ways() {
    let mut person = Person::sit_down();
    let script = "stty raw -echo; printf READY; head -c 256";
    let running = person.run(script, ALL);
    let seen = person.see(&running, b"READY");
    assert_eq!(seen, b"READY");
    let all: Vec<u8> = (0..=255).collect();
    person.type_in(&all);
    let mut seen = vec![0; 256];
    person.side.read_exact(&mut seen).unwrap();
    assert_eq!(seen, all);
    assert_eq!(code(running), 0);
}

#[test]
fn nothing_of_a_flood_is_lost() {
    let mut person = Person::sit_down();
    let running = person.run(
        "stty raw; printf BEGIN; head -c 3000000 /dev/zero; printf END",
        ALL,
    );
    let seen = person.see(&running, b"END");
    assert_eq!(seen.iter().filter(|byte| **byte == 0).count(), 3_000_000);
    assert_eq!(code(running), 0);
}

#[test]
fn end_of_file_and_interrupt_come_from_the_inner_terminal() {
    let mut person = Person::sit_down();
    let running = person.run("echo READY; cat; echo AFTER; exec sleep 1000", ALL);
    person.see(&running, b"READY");
    person.type_in(b"\x04");
    person.see(&running, b"AFTER");
    person.type_in(b"\x03");
    assert_eq!(code(running), 130);
}

#[test]
fn the_size_is_the_outer_ones_and_follows_it() {
    let mut person = Person::sit_down();
    let running = person.run(
        "trap 'stty size' WINCH; stty size; while :; do read line; done",
        ALL,
    );
    person.see(&running, b"11 77");
    let size = Winsize {
        ws_row: 22,
        ws_col: 88,
        ..tcgetwinsize(&person.terminal).unwrap()
    };
    tcsetwinsize(&person.terminal, size).unwrap();
    // The terminal does not control this process, so the kernel does not send this by itself.
    kill_process(getpid(), Signal::WINCH).unwrap();
    person.see(&running, b"22 88");
    person.type_in(b"\x03");
    assert_eq!(code(running), 130);
}

#[test]
fn a_hang_up_reaches_the_command() {
    let mut person = Person::sit_down();
    let running = person.run("echo READY; exec sleep 1000", ALL);
    person.see(&running, b"READY");
    drop(person);
    assert_eq!(code(running), 129);
}

#[test]
fn no_way_leads_to_the_outer_terminal() {
    let mut person = Person::sit_down();
    let outer = rustix::termios::ttyname(&person.terminal, Vec::new())
        .unwrap()
        .into_string()
        .unwrap();
    let script =
        "for fd in /proc/self/fd/*; do readlink $fd; done; ps -o tty= -p $$; tty; echo END";
    let running = person.run(script, ALL);
    let seen = String::from_utf8_lossy(&person.see(&running, b"END")).into_owned();
    assert_eq!(code(running), 0);
    let short = outer.trim_start_matches("/dev/");
    assert!(
        !seen
            .lines()
            .any(|line| line.trim() == outer || line.trim() == short),
        "{outer} is in {seen}"
    );
    assert!(seen.contains("/dev/pts/"), "{seen}");
}

#[test]
fn only_the_streams_that_were_terminals_are() {
    let mut person = Person::sit_down();
    let script = "for fd in 0 1 2; do test -t $fd && printf %s $fd >&2; done; echo END >&2";
    let running = person.run(script, [false, false, true]);
    let seen = person.see(&running, b"END\r\n");
    assert_eq!(String::from_utf8_lossy(&seen), "2END\r\n");
    assert_eq!(code(running), 0);
}

#[test]
fn without_any_terminal_it_just_runs() {
    let person = Person::sit_down();
    assert_eq!(
        code(person.run("test -t 0 || test -t 1 || test -t 2 || exit 5", [false; 3])),
        5
    );
}

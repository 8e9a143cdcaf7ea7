//! A command of a host while it runs.

use crate::command::{Output, shorten};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, Uid};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running command with pipes.
#[derive(Debug)]
pub struct HostChild {
    title: String,
    /// nsenter; the command is its child and it ends as the command ends.
    child: Child,
    ended: OwnedFd,
    stdin: Option<fs::File>,
    stdout: Stream,
    stderr: Stream,
    /// For each wait, and not for its whole life: a session may stay for as long as the test.
    deadline: Duration,
}

/// One of its outputs, read without blocking.
#[derive(Debug, Default)]
struct Stream {
    file: Option<fs::File>,
    bytes: Vec<u8>,
    /// How much of `bytes` the test has consumed.
    consumed: usize,
}

impl HostChild {
    /// Starts nsenter with pipes that belong to `owner`; standard input is empty unless it is a pipe, too.
    pub(crate) fn start(
        mut command: Command,
        piped: bool,
        owner: Uid,
        title: String,
        deadline: Duration,
    ) -> HostChild {
        let (out_reader, out_writer) = pipe(owner);
        let (err_reader, err_writer) = pipe(owner);
        command
            .stdout(out_writer)
            .stderr(err_writer)
            .stdin(Stdio::null());
        let stdin = piped.then(|| {
            let (reader, writer) = pipe(owner);
            command.stdin(reader);
            fs::File::from(writer)
        });
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("host: start {title}: {error}"));
        // Only the command may hold its ends, or their end would never be seen.
        drop(command);
        let (stdout, stderr) = (Stream::new(Some(out_reader)), Stream::new(Some(err_reader)));
        HostChild::from_parts(child, stdin, stdout, stderr, title, deadline)
    }

    /// Starts nsenter on a terminal, of which `master` is the other side.
    pub(crate) fn on_terminal(
        command: &mut Command,
        master: OwnedFd,
        title: String,
        deadline: Duration,
    ) -> HostChild {
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("host: start {title}: {error}"));
        HostChild::from_parts(
            child,
            None,
            Stream::new(Some(master)),
            Stream::default(),
            title,
            deadline,
        )
    }

    fn from_parts(
        child: Child,
        stdin: Option<fs::File>,
        stdout: Stream,
        stderr: Stream,
        title: String,
        deadline: Duration,
    ) -> HostChild {
        let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .unwrap_or_else(|error| panic!("host: pidfd of {title}: {error}"));
        HostChild {
            title,
            child,
            ended,
            stdin,
            stdout,
            stderr,
            deadline,
        }
    }

    /// Writes all of `bytes` from a thread, so that a command which does not read cannot block the test.
    pub(crate) fn feed(&mut self, bytes: Vec<u8>) {
        if let Some(mut stdin) = self.stdin.take() {
            // Whether it wants all of it is the command's business.
            thread::spawn(move || {
                let _ = stdin.write_all(&bytes);
            });
        }
    }

    /// Writes to its standard input.
    pub fn send(&mut self, text: &str) {
        let stdin = self
            .stdin
            .as_mut()
            .unwrap_or_else(|| panic!("host: {}: its input is closed", self.title));
        stdin
            .write_all(text.as_bytes())
            .unwrap_or_else(|error| panic!("host: write to {}: {error}", self.title));
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line of its output, without the line end.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let text = self.until("\n");
        text.trim_end_matches(['\n', '\r']).to_owned()
    }

    /// Its output from where the last call ended, up to and including `text`.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        let end = Instant::now() + self.deadline;
        loop {
            let rest = &self.stdout.bytes[self.stdout.consumed..];
            if let Some(at) = find(rest, text.as_bytes()) {
                let end = at + text.len();
                let found = String::from_utf8_lossy(&rest[..end]).into_owned();
                self.stdout.consumed += end;
                return found;
            }
            assert!(
                self.stdout.file.is_some(),
                "host: {}: ended its output without {text:?}\n{}",
                self.title,
                self.so_far()
            );
            self.step(end, &format!("{text:?}"));
        }
    }

    /// Waits until it has exited; what it wrote since its start is in the result.
    pub fn wait(mut self) -> Output {
        self.stdin = None;
        let end = Instant::now() + self.deadline;
        while !self.step(end, "its end") {}
        // All that it wrote before its end is in the pipes by now; what outlives it may keep them open.
        self.stdout.drain();
        self.stderr.drain();
        let status = self
            .child
            .wait()
            .unwrap_or_else(|error| panic!("host: wait for {}: {error}", self.title));
        let raw_stdout = std::mem::take(&mut self.stdout.bytes);
        Output {
            command: self.title.clone(),
            status,
            stdout: String::from_utf8_lossy(&raw_stdout).into_owned(),
            stderr: String::from_utf8_lossy(&self.stderr.bytes).into_owned(),
            raw_stdout,
        }
    }

    /// The command's process id as the machine numbers it.
    #[track_caller]
    pub fn pid(&mut self) -> u32 {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        loop {
            let children = fs::read_to_string(&path).unwrap_or_default();
            if let Some(pid) = children
                .split_whitespace()
                .next()
                .and_then(|pid| pid.parse().ok())
            {
                return pid;
            }
            // nsenter is about to fork.
            assert!(
                !self.has_ended(),
                "host: {} has ended\n{}",
                self.title,
                self.so_far()
            );
            thread::yield_now();
        }
    }

    /// The command's process id as the host numbers it.
    #[track_caller]
    pub fn pid_in_host(&mut self) -> u32 {
        let pid = self.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))
            .unwrap_or_default();
        // The machine's number, then the host's, then those of namespaces further in.
        let number = line
            .split_whitespace()
            .nth(1)
            .and_then(|pid| pid.parse().ok());
        number.unwrap_or_else(|| panic!("host: {}: process {pid} is not in the host", self.title))
    }

    /// Sends a signal to the command itself.
    #[track_caller]
    pub fn kill(&mut self, signal: Signal) {
        let pid = self.pid();
        let pid = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .unwrap_or_else(|| panic!("host: {pid} is no process id"));
        kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("host: signal {}: {error}", self.title));
    }

    /// Stops reading, and lets go of the descriptor that was read.
    pub(crate) fn forget_output(&mut self) {
        self.stdout.file = None;
    }

    /// Whether it has exited.
    pub fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&self.ended, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Waits for one event and takes in what there is; true when the command has ended.
    fn step(&mut self, end: Instant, waiting_for: &str) -> bool {
        let rest = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(rest).unwrap_or_default();
        let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
        for stream in [&self.stdout, &self.stderr] {
            fds.extend(
                stream
                    .file
                    .as_ref()
                    .map(|file| PollFd::new(file, PollFlags::IN)),
            );
        }
        let ready = poll(&mut fds, Some(&timeout)).unwrap_or_default();
        let ended = !fds[0].revents().is_empty();
        drop(fds);
        if ready == 0 && rest.is_zero() {
            panic!(
                "host: {}: too long a wait for {waiting_for}\n{}",
                self.title,
                self.so_far()
            );
        }
        self.stdout.drain();
        self.stderr.drain();
        if ended {
            // Its output ends with it, though a process it left behind may hold the pipe.
            self.stdout.file = None;
            self.stderr.file = None;
        }
        ended
    }

    fn so_far(&self) -> String {
        let [out, err] = [&self.stdout.bytes, &self.stderr.bytes]
            .map(|bytes| shorten(&String::from_utf8_lossy(bytes)));
        format!("--- stdout so far\n{out}\n--- stderr so far\n{err}\n---")
    }
}

impl Drop for HostChild {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // The command first: nsenter's end alone would leave it running.
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(path).unwrap_or_default();
        let commands: Vec<OwnedFd> = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .filter_map(Pid::from_raw)
            .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .collect();
        for command in &commands {
            let _ = pidfd_send_signal(command, Signal::KILL);
        }
        // A signal is sent before it has any effect: whoever drops a command relies on its end.
        let limit = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        for command in &commands {
            let _ = poll(&mut [PollFd::new(command, PollFlags::IN)], Some(&limit));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn new(fd: Option<OwnedFd>) -> Stream {
        if let Some(fd) = &fd {
            let flags = rustix::fs::fcntl_getfl(fd).unwrap_or(OFlags::empty());
            rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK)
                .unwrap_or_else(|error| panic!("host: {error}"));
        }
        Stream {
            file: fd.map(fs::File::from),
            ..Stream::default()
        }
    }

    /// Reads all there is now.
    fn drain(&mut self) {
        let mut chunk = [0; 16384];
        while let Some(file) = &mut self.file {
            match file.read(&mut chunk) {
                // A terminal without a program on the other side says EIO.
                Ok(0) => self.file = None,
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.file = None,
            }
        }
    }
}

/// A pipe as the user's own shell would have made it.
fn pipe(owner: Uid) -> (OwnedFd, OwnedFd) {
    let (reader, writer) =
        pipe_with(PipeFlags::CLOEXEC).unwrap_or_else(|error| panic!("host: make a pipe: {error}"));
    rustix::fs::fchown(&reader, Some(owner), None)
        .unwrap_or_else(|error| panic!("host: give a pipe away: {error}"));
    (reader, writer)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

//! A command in a host.

use crate::child::HostChild;
use crate::host::Host;
use crate::pty::Pty;
use crate::users::User;
use rustix::fs::Uid;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// A command of one of the host's users, not yet started.
#[derive(Debug)]
pub struct HostCommand<'host> {
    host: &'host Host,
    user: User,
    argv: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    directory: String,
    input: Vec<u8>,
    deadline: Duration,
    own_session: bool,
}

impl<'host> HostCommand<'host> {
    pub(crate) fn new<S: AsRef<OsStr>>(host: &'host Host, user: User, argv: &[S]) -> Self {
        let directory = if host.exists(&user.home) {
            user.home.clone()
        } else {
            "/".into()
        };
        HostCommand {
            host,
            argv: argv.iter().map(|word| word.as_ref().into()).collect(),
            env: Vec::new(),
            directory,
            input: Vec::new(),
            deadline: Duration::from_secs(180),
            own_session: true,
            user,
        }
    }

    /// A variable in addition to (or instead of) those of a login.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Another working directory than the user's home.
    pub fn cwd(mut self, directory: &str) -> Self {
        self.directory = directory.into();
        self
    }

    /// What [`HostCommand::run`] gives it on standard input.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = bytes.as_ref().into();
        self
    }

    /// How long its next line, or its end, may take (3 minutes) until the test fails; it has no other effect.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn keep_terminal(mut self) -> Self {
        self.own_session = false;
        self
    }

    /// Runs it until it has exited. What it left running in the background is not waited for.
    pub fn run(self) -> Output {
        let piped = !self.input.is_empty();
        let mut child = HostChild::start(
            self.to_command(),
            piped,
            self.owner(),
            self.title(),
            self.deadline,
        );
        child.feed(self.input);
        child.wait()
    }

    /// Starts it with pipes for all three of its streams.
    pub fn spawn(self) -> HostChild {
        HostChild::start(
            self.to_command(),
            true,
            self.owner(),
            self.title(),
            self.deadline,
        )
    }

    /// Starts it on a terminal of its own, as the leader of its session.
    pub fn pty(self) -> Pty {
        Pty::start(
            self.host,
            self.to_command(),
            self.owner(),
            self.title(),
            self.deadline,
        )
    }

    /// Who a login would have given the terminal and pipes to: `/dev/stderr` can be opened only by their owner.
    fn owner(&self) -> Uid {
        Uid::from_raw(self.user.uid)
    }

    fn title(&self) -> String {
        let words: Vec<_> = self
            .argv
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        format!("[{}] {}", self.user.name, words.join(" "))
    }

    /// nsenter enters the host and forks; the rest are programs of the host that replace each other, so the
    /// child of nsenter *is* the command. setsid cuts it off from the test's terminal and process group.
    pub(crate) fn to_command(&self) -> Command {
        let User {
            name,
            uid,
            gid,
            home,
            shell,
        } = &self.user;
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.host.pid_one()));
        command.args([
            "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--",
        ]);
        if self.own_session {
            command.arg("/usr/bin/setsid");
        }
        command.args([
            "/usr/bin/setpriv",
            &format!("--reuid={uid}"),
            &format!("--regid={gid}"),
            "--init-groups",
        ]);
        command.args(["/usr/bin/env", "-i", &format!("--chdir={}", self.directory)]);
        command.args([
            format!("HOME={home}"),
            format!("USER={name}"),
            format!("LOGNAME={name}"),
        ]);
        command.args([
            format!("SHELL={shell}"),
            format!("PATH={}", self.user.path()),
            "LANG=C.UTF-8".into(),
        ]);
        for (name, value) in &self.env {
            let mut both = name.clone();
            both.push("=");
            both.push(value);
            command.arg(both);
        }
        // A program whose name holds "=" would be taken for a variable.
        command.args(&self.argv);
        command
    }
}

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Who ran what.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote, as text (other bytes replaced); [`Output::raw_stdout`] has the bytes.
    pub stdout: String,
    /// Its messages.
    pub stderr: String,
    /// What it wrote, untouched.
    pub raw_stdout: Vec<u8>,
}

impl Output {
    /// Exit status as a shell gives it: 128 + n for signal n.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .or_else(|| self.status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1)
    }

    /// Itself, when the status is 0; else the test ends here.
    #[track_caller]
    pub fn ok(self) -> Output {
        self.exits(0)
    }

    /// Itself, when the command ended with this status; else the test ends here.
    #[track_caller]
    pub fn exits(self, code: i32) -> Output {
        assert!(
            self.code() == code,
            "status {} instead of {code}\n{self}",
            self.code()
        );
        self
    }

    /// Itself, when the command failed in whatever way; else the test ends here.
    #[track_caller]
    pub fn fails(self) -> Output {
        assert!(self.code() != 0, "status 0 where a failure was due\n{self}");
        self
    }

    /// Itself, when standard error contains `text`; else the test ends here.
    #[track_caller]
    pub fn says(self, text: &str) -> Output {
        assert!(
            self.stderr.contains(text),
            "standard error does not contain {text:?}\n{self}"
        );
        self
    }

    /// Standard output without the white space around it.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|text| shorten(text));
        write!(
            out,
            "{}\n{}\n--- stdout\n{stdout}--- stderr\n{stderr}---",
            self.command, self.status
        )
    }
}

/// The last part of a long text: what went wrong is at the end.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 16 * 1024;
    let mut from = text.len().saturating_sub(MOST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    match from {
        0 => text.to_owned(),
        _ => format!("[… {from} bytes]{}", &text[from..]),
    }
}

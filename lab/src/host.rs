//! A running host.

use crate::builder::HostBuilder;
use crate::cgroup::OwnCgroup;
use crate::command::{HostCommand, Output};
use crate::error::{Context, LabError, Result};
use crate::setup::Spec;
use crate::store::programs;
use crate::users::User;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running host; dropping it ends it, and so does the end of the process that owns it, however that comes.
#[derive(Debug)]
pub struct Host {
    /// `unshare`, the parent of the host's PID 1.
    parent: Child,
    /// PID 1 reads from the other end and ends when this one is closed; the kernel closes it for a killed owner.
    lifeline: Option<ChildStdin>,
    pid_one: u32,
    /// The host's `/`.
    pub(crate) root: OwnedFd,
    /// Where systemd has its cgroups; removed after the host has ended.
    _cgroup: Option<OwnCgroup>,
}

impl Host {
    /// An ordinary host with Caddis installed.
    pub fn start() -> Result<Host> {
        Host::builder().start()
    }

    /// A host with something special about it.
    pub fn builder() -> HostBuilder {
        HostBuilder::new()
    }

    pub(crate) fn from_spec(spec: &Spec) -> Result<Host> {
        let program = programs()?.join("caddis-lab");
        let cgroup = spec.systemd.then(OwnCgroup::new).transpose()?;
        let mut command = Command::new("unshare");
        if let Some(cgroup) = &cgroup {
            // systemd does not end with a pipe: in a pid namespace around it, another PID 1 does.
            command.args(["--pid", "--fork", "--kill-child", "--"]);
            command.arg(&program).arg("guard").arg(cgroup.path());
            command.arg("unshare");
        }
        let mut parent = command
            .args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"])
            .args(["--propagation", "private", "--fork", "--kill-child", "--"])
            .arg(&program)
            .arg("host-init")
            .args(spec.to_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start unshare")?;
        let mut lifeline = parent.stdin.take();
        let mut said = parent.stdout.take().map(BufReader::new);
        // systemd says nothing here; it is asked by its own means.
        let asked = lifeline.as_mut().filter(|_| !spec.systemd);
        let pid_one = ask_for_process_1(asked, said.as_mut())?;
        let Some(pid_one) = pid_one else {
            drop(lifeline);
            let mut reason = String::new();
            if let Some(mut stderr) = parent.stderr.take() {
                stderr
                    .read_to_string(&mut reason)
                    .context("read from host-init")?;
            }
            let _ = parent.wait();
            return Err(LabError(format!("start a host: {}", reason.trim())));
        };
        let root_path = format!("/proc/{pid_one}/root");
        let root = rustix::fs::open(
            &root_path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .context(format_args!("open {root_path}"))?;
        Ok(Host {
            parent,
            lifeline,
            pid_one,
            root,
            _cgroup: cgroup,
        })
    }

    /// Its PID 1, as the machine numbers it.
    pub fn pid_one(&self) -> u32 {
        self.pid_one
    }

    /// Its `/` as a path of the machine. Absolute symbolic links below it lead to the machine's files, so
    /// [`Host::read`] and [`Host::write`] are better for reading and writing.
    pub fn root_path(&self) -> PathBuf {
        format!("/proc/{}/root", self.pid_one).into()
    }

    /// A command of a user, to be refined and run. The user logged in, so to speak: home directory, `HOME`,
    /// `USER`, `SHELL`, `PATH` and all groups are theirs; standard input is empty.
    pub fn command<S: AsRef<OsStr>>(&self, user: &str, argv: &[S]) -> HostCommand<'_> {
        let user = User::find(self, user).unwrap_or_else(|error| panic!("{error}"));
        HostCommand::new(self, user, argv)
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, user: &str, argv: &[S]) -> Output {
        self.command(user, argv).run()
    }

    /// Runs a shell script (bash, no profile) to its end.
    pub fn sh(&self, user: &str, script: &str) -> Output {
        self.run(user, &["bash", "-c", script])
    }

    /// Starts a shell script and lets the caller talk to it.
    pub fn spawn(&self, user: &str, script: &str) -> crate::HostChild {
        self.command(user, &["bash", "-c", script]).spawn()
    }

    /// Starts a command on a terminal of its own.
    pub fn pty<S: AsRef<OsStr>>(&self, user: &str, argv: &[S]) -> crate::Pty {
        self.command(user, argv).pty()
    }

    /// A login shell on the caller's own terminal, for a developer.
    pub fn interactive(&self, user: &str) -> Result<()> {
        let user = User::find(self, user)?;
        let shell = user.shell.clone();
        let mut command = HostCommand::new(self, user, &[shell.as_str(), "-l"])
            .keep_terminal()
            .to_command();
        let terminal = std::env::var("TERM").unwrap_or_else(|_| "dumb".into());
        command.env("TERM", terminal);
        command.status().context("run a shell in the host")?;
        Ok(())
    }

    /// A kernel-consistent copy of the root's image, for hosts to be made from.
    pub(crate) fn freeze_while(&self, copy: impl FnOnce() -> Result<()>) -> Result<()> {
        self.run("root", &["fsfreeze", "-f", "/"]).ok();
        let copied = copy();
        self.run("root", &["fsfreeze", "-u", "/"]).ok();
        copied
    }
}

/// What host-init says, once it has become the host's PID 1, which says what it reads, if it is `asked`; `None`: it has not.
fn ask_for_process_1(
    asked: Option<&mut ChildStdin>,
    said: Option<&mut BufReader<ChildStdout>>,
) -> Result<Option<u32>> {
    let Some(said) = said else {
        return Ok(None);
    };
    let mut line = || {
        let mut line = String::new();
        said.read_line(&mut line)
            .context("read from host-init")
            .map(|_| line)
    };
    let first = line()?;
    let pid = first.trim().strip_prefix("process ");
    let Some(pid) = pid.and_then(|pid| pid.parse().ok()) else {
        return Ok(None);
    };
    let Some(lifeline) = asked else {
        return Ok(Some(pid));
    };
    // Without a reader it has failed, and says why.
    let asked = writeln!(lifeline, "ready").is_ok();
    Ok((asked && line()? == "ready\n").then_some(pid))
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // PID 1 ends, the kernel kills everything in its namespace, and unshare follows.
        let _ = self.parent.wait();
    }
}

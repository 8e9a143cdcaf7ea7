//! Having the running sshd read its configuration. Connections that are there are not concerned.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use caddis_client::user::account::number;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::Timespec;

use super::sshd::{SSHD, View, settings};
use crate::error::Error;

/// Who was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The server.
    Server,
    /// No server is known to run; with a socket of systemd's, each connection starts its own.
    Nobody,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => write!(f, "sshd has read its configuration again."),
            Self::Nobody => write!(
                f,
                "No running sshd was found: the next one to start reads it."
            ),
        }
    }
}

/// For sshd to listen again, which takes it milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// systemd is what runs the services, if this is there; see sd_booted(3).
const BOOTED_WITH_SYSTEMD: &str = "/run/systemd/system";

/// What Debian and what others call it.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];

/// Tells sshd. To be called only when sshd finds its configuration in order: with another it would end.
pub fn reload() -> Result<Told, Error> {
    let settings = settings(View::AsItIs)?;
    let pid_file = settings.get("pidfile");
    if Path::new(BOOTED_WITH_SYSTEMD).exists() {
        for unit in UNITS {
            if systemctl(&["is-active", "--quiet", unit])? {
                if has_socket(unit)? {
                    return restart(unit);
                }
                // systemd has signalled it and does not wait for more.
                let server = pid_file.map(|file| Server::of(file)).transpose();
                if !systemctl(&["reload", unit])? {
                    let hint = format!(
                        "`systemctl status {unit}` says why; then `systemctl reload {unit}`"
                    );
                    return Err(failed(format!("systemctl reload {unit} failed")).hint(hint));
                }
                return match server {
                    Ok(Some(Some(server))) => server.back(),
                    // It is told, and nothing says when it is back.
                    _ => Ok(Told::Server),
                };
            }
        }
    }
    match pid_file.map(|file| Server::of(file)).transpose()?.flatten() {
        Some(server) => server.hang_up(),
        None => Ok(Told::Nobody),
    }
}

/// The old configuration stays in force until then.
fn failed(reason: String) -> Error {
    Error::failed(format!(
        "reload sshd: {reason}; it goes on as it was configured before"
    ))
}

/// Whether systemd holds the port. A server that executes itself has lost it by then, cannot bind another one, and ends.
fn has_socket(unit: &str) -> Result<bool, Error> {
    for socket in property(unit, "TriggeredBy")?.split_ascii_whitespace() {
        if systemctl(&["is-active", "--quiet", socket])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Connections that come meanwhile wait at the socket, and those that are there are not concerned where the unit says so.
fn restart(unit: &str) -> Result<Told, Error> {
    if property(unit, "KillMode")? != "process" {
        let reason =
            format!("systemd holds its port, and to restart {unit} would end all sessions");
        return Err(
            failed(reason).hint(format!("when nobody is there: `systemctl restart {unit}`"))
        );
    }
    match systemctl(&["try-restart", unit])? {
        true => Ok(Told::Server),
        false => Err(failed(format!("systemctl try-restart {unit} failed"))
            .hint(format!("`systemctl status {unit}` says why"))),
    }
}

fn property(unit: &str, name: &str) -> Result<String, Error> {
    let output = Command::new("systemctl")
        .args(["show", "--value", "--property", name, unit])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::io("run", "systemctl", error))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn systemctl(arguments: &[&str]) -> Result<bool, Error> {
    let status = Command::new("systemctl")
        .args(arguments)
        .stdin(Stdio::null())
        .status();
    status
        .map(|status| status.success())
        .map_err(|error| Error::io("run", "systemctl", error))
}

/// The running server, as its file names it.
struct Server<'file> {
    pid_file: &'file str,
    /// Which file that is, and when it was written.
    written: Option<(u64, i64, i64)>,
    process: OwnedFd,
}

impl Server<'_> {
    /// After a look at what the process is: the file may be an old one, and the number somebody else's by now.
    fn of(pid_file: &str) -> Result<Option<Server<'_>>, Error> {
        let text = match fs::read(pid_file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| Error::io("read", pid_file, error))?,
        };
        let Some(pid) = number(text.trim_ascii()).and_then(|pid| Pid::from_raw(pid.cast_signed()))
        else {
            return Err(failed(format!("{pid_file} holds no process id"))
                .hint("restart sshd as it was started"));
        };
        // By the descriptor: the process that is looked at is the one that gets the signal.
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(None),
            opened => {
                opened.map_err(|errno| Error::io("open process", pid.as_raw_nonzero(), errno))?
            }
        };
        let identity = |path: String| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        let running = identity(format!("/proc/{}/exe", pid.as_raw_nonzero()));
        if running.is_none() || running != identity(SSHD.to_owned()) {
            let reason = format!(
                "process {} of {pid_file} does not run {SSHD} as it is now",
                pid.as_raw_nonzero()
            );
            return Err(failed(reason).hint("restart sshd as it was started"));
        }
        Ok(Some(Server {
            pid_file,
            written: written(pid_file),
            process,
        }))
    }

    fn hang_up(self) -> Result<Told, Error> {
        pidfd_send_signal(&self.process, Signal::HUP)
            .map_err(|errno| failed(io::Error::from(errno).to_string()))?;
        self.back()
    }

    /// For a moment nobody listens: sshd executes itself, and takes its pid file away until it listens again
    /// (`sighup_restart` in its `sshd.c`).
    fn back(self) -> Result<Told, Error> {
        let pid_file = self.pid_file;
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 10_000_000,
        };
        let since = Instant::now();
        while written(pid_file).is_none_or(|now| Some(now) == self.written) {
            let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
            if poll(&mut ended, Some(&moment)).is_ok_and(|count| count > 0) {
                return Err(Error::failed("reload sshd: it has ended")
                    .hint("start it again at once; its own log says what it did not like"));
            }
            if since.elapsed() > PATIENCE {
                return Err(Error::failed(
                    "reload sshd: it has been told, and is not back after ten seconds",
                )
                .hint(format!(
                    "see whether it listens (`ss -ltn`); it writes {pid_file} when it does"
                )));
            }
        }
        Ok(Told::Server)
    }
}

/// Which file it is, and when it was written; it is there, but empty, a moment before.
fn written(path: &str) -> Option<(u64, i64, i64)> {
    let file = fs::metadata(path).ok().filter(|file| file.len() > 0)?;
    Some((file.ino(), file.mtime(), file.mtime_nsec()))
}

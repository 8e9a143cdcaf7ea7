//! A command on a terminal, as a person would sit at it.

use crate::child::HostChild;
use crate::command::Output;
use crate::host::Host;
use rustix::fs::{Mode, OFlags, ResolveFlags, Uid, openat2};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A running command and the terminal it runs on.
///
/// The terminal is the host's own (`/dev/pts/N` there), the command leads its session, and what is sent is
/// echoed as on any terminal. It is 80×24.
#[derive(Debug)]
pub struct Pty {
    child: HostChild,
    master: File,
}

impl Pty {
    pub(crate) fn start(
        host: &Host,
        command: Command,
        owner: Uid,
        title: String,
        deadline: Duration,
    ) -> Pty {
        let fail = |what: &str, error: rustix::io::Errno| -> ! {
            panic!("host: {what} for {title}: {error}")
        };
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = openat2(
            &host.root,
            "/dev/pts/ptmx",
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
        .unwrap_or_else(|error| fail("open a terminal", error));
        unlockpt(&master).unwrap_or_else(|error| fail("unlock a terminal", error));
        let side = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, side)
            .unwrap_or_else(|error| fail("open a terminal's other side", error));
        // As login(1) does; the group stays tty.
        rustix::fs::fchown(&slave, Some(owner), None)
            .unwrap_or_else(|error| fail("give a terminal away", error));
        // Before the command can ask for it, or be told of a change.
        set_size(&master, 24, 80);
        let mut command = with_controlling_terminal(&command);
        let streams = [(); 3].map(|()| {
            slave
                .try_clone()
                .unwrap_or_else(|error| panic!("host: {error}"))
        });
        let [stdin, stdout, stderr] = streams.map(Stdio::from);
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        drop(slave);
        let reader: OwnedFd = master
            .try_clone()
            .unwrap_or_else(|error| panic!("host: {error}"));
        let child = HostChild::on_terminal(&mut command, reader, title, deadline);
        // The command holds its three copies of the terminal; nobody else may keep it open.
        drop(command);
        Pty {
            child,
            master: File::from(master),
        }
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        self.master
            .write_all(text.as_bytes())
            .unwrap_or_else(|error| panic!("host: type {text:?}: {error}"));
    }

    /// Waits for `text` and returns what came before and up to it since the last call.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        self.child.until(text)
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        set_size(&self.master, rows, columns);
    }

    /// The command, for its process ids and signals.
    pub fn child(&mut self) -> &mut HostChild {
        &mut self.child
    }

    /// Closes the window: the kernel hangs up the session. Returns how the command ended.
    pub fn hang_up(self) -> Output {
        let Pty { mut child, master } = self;
        drop(master);
        child.forget_output();
        child.wait()
    }

    /// Waits until the command has ended; all that the terminal showed is in `stdout`.
    pub fn wait(self) -> Output {
        let Pty { child, master } = self;
        let output = child.wait();
        drop(master);
        output
    }
}

fn set_size(terminal: impl AsFd, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap_or_else(|error| panic!("host: resize a terminal: {error}"));
}

/// The same command with `setsid --ctty`, which makes its standard input its controlling terminal.
fn with_controlling_terminal(command: &Command) -> Command {
    let mut changed = Command::new(command.get_program());
    for argument in command.get_args() {
        changed.arg(argument);
        if argument == "/usr/bin/setsid" {
            changed.arg("--ctty");
        }
    }
    changed
}

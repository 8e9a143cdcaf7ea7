//! A pager for long answers, on a terminal.

use std::io::{self, IsTerminal, StdoutLock, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGQUIT};

use crate::error::Error;

/// Where a long answer goes.
pub enum Output {
    Plain(StdoutLock<'static>),
    Paged(Child),
}

impl Output {
    /// Standard output, by way of a pager if that is a terminal, and `wanted`.
    pub fn open(wanted: bool) -> Self {
        let plain = || Self::Plain(io::stdout().lock());
        if !wanted || !io::stdout().is_terminal() {
            return plain();
        }
        let Some(mut command) = command() else {
            return plain();
        };
        match command.stdin(Stdio::piped()).spawn() {
            Ok(pager) => {
                // Ctrl-C is for the pager, which may only leave what it is doing. A flag that nobody reads is enough:
                // the signal then ends no program but the helper, whose answer breaks off.
                for signal in [SIGINT, SIGQUIT] {
                    let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
                }
                Self::Paged(pager)
            }
            Err(_) => plain(),
        }
    }

    /// Writes some of it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Plain(output) => output.write_all(bytes)?,
            Self::Paged(pager) => {
                if let Some(input) = &mut pager.stdin {
                    input.write_all(bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the answer, and waits for the pager's end.
    pub fn end(self) -> Result<(), Error> {
        match self {
            Self::Plain(mut output) => Ok(output.flush()?),
            Self::Paged(mut pager) => {
                drop(pager.stdin.take());
                let _ = pager.wait();
                Ok(())
            }
        }
    }

    /// Whether the reader may leave before the end without that being worth a word.
    pub fn is_paged(&self) -> bool {
        matches!(self, Self::Paged(_))
    }
}

/// The pager that the user wants: a shell command, as for git(1) and man(1). `None`: none.
fn command() -> Option<Command> {
    let chosen = ["CADDIS_PAGER", "PAGER"].iter().find_map(std::env::var_os);
    match chosen {
        Some(chosen) if chosen.is_empty() || chosen == "cat" => None,
        Some(chosen) => {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(chosen);
            if std::env::var_os("LESS").is_none() {
                command.env("LESS", "FRX");
            }
            Some(command)
        }
        None => {
            let mut command = Command::new("less");
            command.arg("-FRX");
            Some(command)
        }
    }
}

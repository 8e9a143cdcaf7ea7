//! The side of a runner that measures.
//!
//! A command is started with posix_spawn(3), which shares this process's memory until the command is there, so the
//! size of this process does not matter; then there is nothing but a wait for its end.

use super::protocol::{Answer, Argv, Measured, Request};
use super::state;
use crate::error::{Context, Error, Result};
use std::fs::File;
use std::io::{BufRead, PipeReader, PipeWriter, Read, Write, pipe, stdin, stdout};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Answers requests until there are no more.
pub fn serve() -> Result<()> {
    let mut server = Server::default();
    for line in stdin().lock().lines() {
        let line = line.context("read a request")?;
        let answer = match serde_json::from_str(&line) {
            Ok(request) => server.answer(&request),
            Err(error) => Answer::Failed(format!("understand {line}: {error}")),
        };
        let answer = serde_json::to_string(&answer).context("write an answer")?;
        writeln!(stdout(), "{answer}").context("write an answer")?;
    }
    Ok(())
}

/// What a runner keeps between two requests.
#[derive(Debug, Default)]
pub struct Server {
    held: Vec<Child>,
    input: Option<PipeWriter>,
}

impl Server {
    /// Does what is asked.
    pub fn answer(&mut self, request: &Request) -> Answer {
        self.act(request)
            .unwrap_or_else(|Error(reason)| Answer::Failed(reason))
    }

    fn act(&mut self, request: &Request) -> Result<Answer> {
        let start = Instant::now();
        match request {
            Request::Time(argv) => return time(argv),
            Request::InTurn(commands) => {
                let mut ready = prepared(commands)?;
                return measured(|| {
                    ready
                        .iter_mut()
                        .try_for_each(|(command, argv)| run(command, argv))
                });
            }
            Request::AtOnce(commands) => return at_once(commands),
            Request::Output(argv) => {
                let output = command(argv)?
                    .stdout(Stdio::piped())
                    .output()
                    .context(format_args!("start {}", argv.join(" ")))?;
                if !output.status.success() {
                    return Err(explain(argv, &format!("{}", output.status)));
                }
                return Ok(Answer::Text(
                    String::from_utf8_lossy(&output.stdout).into_owned(),
                ));
            }
            Request::Hold(commands) => self.hold(commands)?,
            Request::Release => {
                self.input = None;
                for mut child in std::mem::take(&mut self.held) {
                    child.wait().context("wait for a command that was kept")?;
                }
            }
            Request::Write { path, text } => {
                std::fs::write(path, text).context(format_args!("write {path}"))?;
            }
            Request::Settle => state::settle()?,
            Request::Sync => rustix::fs::sync(),
            Request::Memory(name) => return Ok(Answer::Memory(state::memory(name)?)),
            Request::DiskUsage(path) => {
                return Ok(Answer::Bytes(state::disk_usage(path.as_ref())?));
            }
        }
        Ok(took(start))
    }

    /// One pipe for the input of all and one for their output: a thousand commands need no thousand descriptors.
    fn hold(&mut self, commands: &[Argv]) -> Result<()> {
        let (input, input_writer) = pipe().context("make a pipe")?;
        let (mut output, output_writer): (PipeReader, PipeWriter) =
            pipe().context("make a pipe")?;
        self.input = Some(input_writer);
        for argv in commands {
            let mut command = command(argv)?;
            command
                .stdin(input.try_clone().context("copy a pipe")?)
                .stdout(output_writer.try_clone().context("copy a pipe")?);
            let mut child = command
                .spawn()
                .context(format_args!("start {}", argv.join(" ")))?;
            drop(command);
            let mut byte = [0; 1];
            // The writing end stays open here, so a command that has failed has to be asked after.
            loop {
                let mut ready = [rustix::event::PollFd::new(
                    &output,
                    rustix::event::PollFlags::IN,
                )];
                let moment = rustix::time::Timespec {
                    tv_sec: 10,
                    tv_nsec: 0,
                };
                let count = rustix::event::poll(&mut ready, Some(&moment)).context("poll")?;
                if count > 0 {
                    break;
                }
                if let Some(status) = child.try_wait().context("wait for a command")? {
                    return Err(explain(argv, &status.to_string()));
                }
            }
            output
                .read_exact(&mut byte)
                .context("read from a command")?;
            self.held.push(child);
        }
        Ok(())
    }
}

fn time(argv: &Argv) -> Result<Answer> {
    let mut command = command(argv)?;
    measured(|| run(&mut command, argv))
}

fn prepared(commands: &[Argv]) -> Result<Vec<(Command, &Argv)>> {
    commands
        .iter()
        .map(|argv| Ok((command(argv)?, argv)))
        .collect()
}

fn run(command: &mut Command, argv: &Argv) -> Result<()> {
    let status = command
        .status()
        .context(format_args!("start {}", argv.join(" ")))?;
    if status.success() {
        return Ok(());
    }
    Err(explain(argv, &status.to_string()))
}

fn at_once(commands: &[Argv]) -> Result<Answer> {
    let mut ready = prepared(commands)?;
    measured(|| {
        let mut children = Vec::with_capacity(ready.len());
        for (command, argv) in &mut ready {
            let child = command.spawn();
            children.push((
                child.context(format_args!("start {}", argv.join(" ")))?,
                argv,
            ));
        }
        for (mut child, argv) in children {
            let status = child.wait().context("wait for a command")?;
            if !status.success() {
                return Err(explain(argv, &status.to_string()));
            }
        }
        Ok(())
    })
}

fn measured(action: impl FnOnce() -> Result<()>) -> Result<Answer> {
    let start = Instant::now();
    action()?;
    Ok(took(start))
}

fn took(start: Instant) -> Answer {
    let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Answer::Took(Measured { nanoseconds })
}

fn command(argv: &Argv) -> Result<Command> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| Error("start a command: it is empty".into()))?;
    let null = || File::options().read(true).write(true).open("/dev/null");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(null().context("open /dev/null")?)
        .stdout(null().context("open /dev/null")?)
        .stderr(null().context("open /dev/null")?);
    Ok(command)
}

/// A command that fails is run once more, to hear why: its messages are not collected while the clock runs.
fn explain(argv: &Argv, status: &str) -> Error {
    let again = command(argv).ok().and_then(|mut command| {
        command
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .output()
            .ok()
    });
    let said = again.map_or_else(String::new, |output| {
        [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
            .join(" ")
    });
    Error(format!("run {}: {status}: {}", argv.join(" "), said.trim()))
}

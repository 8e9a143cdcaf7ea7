//! The side of a runner that asks.

use super::protocol::{Answer, Memory, Request};
use super::serve::Server;
use crate::error::{Context, Error, Result};
use caddis_lab::{Host, HostChild};
use std::time::Duration;

/// A runner.
#[derive(Debug)]
pub enum Runner {
    /// A process of one of the host's users.
    InHost(Box<HostChild>),
    /// This process: on the machine itself.
    Here(Server),
}

impl Runner {
    /// Starts one as a user of the host. `program` is this program, as the host has it.
    pub fn start(host: &Host, user: &str, program: &str) -> Runner {
        let child = host
            .command(user, &[program, "serve"])
            .deadline(Duration::from_secs(6 * 3600))
            .spawn();
        Runner::InHost(Box::new(child))
    }

    fn ask(&mut self, request: &Request) -> Result<Answer> {
        let answer = match self {
            Runner::Here(server) => server.answer(request),
            Runner::InHost(child) => {
                let line = serde_json::to_string(request).context("write a request")?;
                child.send(&line);
                child.send("\n");
                serde_json::from_str(&child.line()).context("read a runner's answer")?
            }
        };
        match answer {
            Answer::Failed(reason) => Err(Error(reason)),
            other => Ok(other),
        }
    }

    /// How many seconds something took.
    pub fn seconds(&mut self, request: &Request) -> Result<f64> {
        match self.ask(request)? {
            Answer::Took(measured) => Ok(Duration::from_nanos(measured.nanoseconds).as_secs_f64()),
            other => Err(unexpected(&other)),
        }
    }

    /// How many seconds one command takes.
    pub fn time(&mut self, argv: Vec<String>) -> Result<f64> {
        self.seconds(&Request::Time(argv))
    }

    /// What a command writes.
    pub fn output(&mut self, argv: Vec<String>) -> Result<String> {
        match self.ask(&Request::Output(argv))? {
            Answer::Text(text) => Ok(text),
            other => Err(unexpected(&other)),
        }
    }

    /// The memory of processes of a name.
    pub fn memory(&mut self, name: &str) -> Result<Memory> {
        match self.ask(&Request::Memory(name.to_owned()))? {
            Answer::Memory(memory) => Ok(memory),
            other => Err(unexpected(&other)),
        }
    }

    /// The disk space of a tree.
    pub fn disk_usage(&mut self, path: String) -> Result<u64> {
        match self.ask(&Request::DiskUsage(path))? {
            Answer::Bytes(bytes) => Ok(bytes),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(answer: &Answer) -> Error {
    Error(format!("ask a runner: it answered {answer:?}"))
}

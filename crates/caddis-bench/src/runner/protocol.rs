//! What a runner is asked and what it answers: a line of JSON each.

use serde::{Deserialize, Serialize};

/// A command and its arguments. The command is an absolute path, so that nobody searches for it.
pub type Argv = Vec<String>;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Run one command to its end.
    Time(Argv),
    /// Run these, one after the other.
    InTurn(Vec<Argv>),
    /// Start all of these, then wait for all.
    AtOnce(Vec<Argv>),
    /// Run one command and return what it wrote.
    Output(Argv),
    /// Start these one after the other, each when the one before has written a byte, and keep them.
    Hold(Vec<Argv>),
    /// End the input of those that are kept, and wait for them.
    Release,
    /// Replace a file's content.
    Write {
        /// Which.
        path: String,
        /// By what.
        text: String,
    },
    /// Wait until no environment is left that is on its way down.
    Settle,
    /// Write everything out, so that nobody's measurement is disturbed by it.
    Sync,
    /// The memory of the processes of this name, and of the machine.
    Memory(String),
    /// The disk space of a tree in bytes.
    DiskUsage(String),
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    /// How long it took.
    Took(Measured),
    /// What it wrote.
    Text(String),
    /// How much memory.
    Memory(Memory),
    /// How much disk.
    Bytes(u64),
    /// It failed, and why.
    Failed(String),
}

/// A time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    /// On the monotonic clock.
    pub nanoseconds: u64,
}

/// The memory of some processes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Of each: resident, and its share where pages are shared, in KiB.
    pub processes: Vec<(u64, u64)>,
    /// The shares of all processes of the host together, in KiB.
    pub everything: u64,
    /// What the machine has available, in KiB.
    pub available: u64,
}

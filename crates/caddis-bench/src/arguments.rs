//! The command line.

use crate::suites::Suite;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Measures Caddis beside bubblewrap, runc, crun, Charliecloud and Docker, on a disposable host.
#[derive(Debug, Parser)]
#[command(name = "caddis-bench", version)]
pub struct Arguments {
    /// How often each thing is measured; the order goes round all candidates
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub runs: usize,

    /// Only this suite (may be repeated)
    #[arg(long = "suite", value_name = "SUITE")]
    pub suites: Vec<Suite>,

    /// How many environments are to run side by side
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub many: usize,

    /// Also write all figures as JSON ("-": to standard output)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Also write the report as Markdown
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "docs/benchmarks.md"
    )]
    pub markdown: Option<PathBuf>,

    /// An image that Docker has, to measure `docker run` with; the engine runs on the machine itself
    #[arg(long, value_name = "IMAGE")]
    pub docker_image: Option<String>,

    /// What this program does instead, when it is started by itself
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// The parts that this program plays in the host.
#[derive(Debug, Clone, Subcommand)]
#[command(hide = true)]
pub enum Role {
    /// Does what is asked on standard input, a line for a line
    #[command(hide = true)]
    Serve,
    /// Works, and says how many nanoseconds it took
    #[command(hide = true)]
    Work {
        /// What
        kind: Kind,
        /// Where
        directory: PathBuf,
    },
}

/// Work that is done inside as well as outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Computes
    Cpu,
    /// Starts a small program 200 times
    Spawn,
    /// Makes the files that the others need
    Prepare,
    /// Opens, reads and closes 10,000 small files
    Read,
    /// The same after a `stat` of each, as `find` does
    Stat,
    /// Makes 10,000 files of 16 bytes
    Write,
    /// Overwrites 10,000 files of the base with 16 bytes
    Replace,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cpu => "cpu",
            Kind::Spawn => "spawn",
            Kind::Prepare => "prepare",
            Kind::Read => "read",
            Kind::Stat => "stat",
            Kind::Write => "write",
            Kind::Replace => "replace",
        }
    }
}

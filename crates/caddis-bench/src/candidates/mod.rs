//! What is compared: one file for each program, which says how it is called.

mod bwrap;
mod caddis;
mod charliecloud;
mod docker;
mod install;
mod oci;
mod plain;
pub mod tree;

use crate::error::Result;
use crate::site::{Linger, Who};
use caddis_lab::Host;

/// A program that runs a command in a container, or none at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// fork and exec: what nobody can do without.
    Plain,
    /// Caddis.
    Caddis,
    /// bubblewrap.
    Bwrap,
    /// crun.
    Crun,
    /// runc.
    Runc,
    /// Charliecloud.
    ChRun,
    /// Docker, with an image.
    Docker(String),
}

impl Program {
    /// Its name in the report.
    pub fn name(&self) -> &'static str {
        match self {
            Program::Plain => "fork and exec",
            Program::Caddis => "caddis",
            Program::Bwrap => "bwrap",
            Program::Crun => "crun",
            Program::Runc => "runc",
            Program::ChRun => "ch-run",
            Program::Docker(_) => "docker run",
        }
    }

    /// Who calls it.
    pub fn who(&self) -> Who {
        match self {
            Program::Plain | Program::Caddis | Program::Bwrap | Program::ChRun => Who::Alice,
            Program::Crun | Program::Runc => Who::Root,
            Program::Docker(_) => Who::Machine,
        }
    }

    /// The command that runs `true`, in the container `name`.
    pub fn command(&self, name: &str) -> Vec<String> {
        let words: Vec<&str> = match self {
            Program::Plain => plain::COMMAND.into(),
            Program::Caddis => caddis::command(name),
            Program::Bwrap => bwrap::COMMAND.into(),
            Program::Crun => oci::crun(name),
            Program::Runc => oci::runc(name),
            Program::ChRun => charliecloud::COMMAND.into(),
            Program::Docker(image) => docker::command(image),
        };
        words.into_iter().map(Into::into).collect()
    }
}

/// A program, and how its environment is found.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name in the report.
    pub name: String,
    /// What is called.
    pub program: Program,
    /// The policy's linger time, for Caddis.
    pub linger: Linger,
    /// The same environment each time, and not a new one.
    pub environment: Option<&'static str>,
}

impl Candidate {
    /// A program with nothing special about it.
    pub fn of(program: Program) -> Candidate {
        Candidate {
            name: program.name().to_owned(),
            program,
            linger: Linger::Off,
            environment: None,
        }
    }

    /// Caddis in one of its ways.
    pub fn caddis(how: &str, linger: Linger, environment: Option<&'static str>) -> Candidate {
        Candidate {
            name: format!("caddis, {how}"),
            program: Program::Caddis,
            linger,
            environment,
        }
    }
}

/// The other programs, as far as this machine has them.
#[derive(Debug)]
pub struct Others {
    /// Those that work in the host.
    pub programs: Vec<Program>,
    /// What each said about its version.
    pub versions: Vec<(String, String)>,
    /// Those that are not measured, and why.
    pub missing: Vec<(String, String)>,
}

impl Others {
    /// Copies the machine's programs into the host and tries each.
    pub fn install(host: &Host, docker_image: Option<&str>) -> Result<Others> {
        let mut others = Others {
            programs: Vec::new(),
            versions: Vec::new(),
            missing: Vec::new(),
        };
        for (program, binary) in [
            (Program::Bwrap, "bwrap"),
            (Program::Crun, "crun"),
            (Program::Runc, "runc"),
            (Program::ChRun, "ch-run"),
        ] {
            match install::install(host, &program, binary) {
                Ok(version) => {
                    others.versions.push((program.name().to_owned(), version));
                    others.programs.push(program);
                }
                Err(error) => others.missing.push((program.name().to_owned(), error.0)),
            }
        }
        match docker::find(docker_image) {
            Ok((program, version)) => {
                others.versions.push((program.name().to_owned(), version));
                others.programs.push(program);
            }
            Err(error) => others.missing.push(("docker run".to_owned(), error.0)),
        }
        Ok(others)
    }

    /// All that are found, plain fork and exec first.
    pub fn candidates(&self) -> Vec<Candidate> {
        std::iter::once(&Program::Plain)
            .chain(&self.programs)
            .cloned()
            .map(Candidate::of)
            .collect()
    }
}

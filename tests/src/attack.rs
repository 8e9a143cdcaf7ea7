//! Attack programs: what they try, from where, and what came of it.

use crate::Environments;
use caddis_lab::{Host, HostCommand, Output};

/// Who runs an attack program, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attacker {
    /// A user on the host, outside of any environment: shows that an attack works where it should.
    Host(&'static str),
    /// A user in their environment.
    User(&'static str),
    /// The root of a user's environment.
    Root(&'static str),
}

/// The two attackers that every promise is tried against.
pub const ALICE_INSIDE: [Attacker; 2] = [Attacker::User("alice"), Attacker::Root("alice")];

/// The attempts of an attack program.
#[derive(Debug)]
pub struct Findings {
    attempts: Vec<(String, String)>,
    /// All that it wrote.
    pub output: Output,
}

/// Arguments for an attack program: where it runs, then what it is given.
#[must_use]
pub fn arguments<'a>(place: &'a str, more: &'a [String]) -> Vec<&'a str> {
    std::iter::once(place)
        .chain(more.iter().map(String::as_str))
        .collect()
}

/// An attack program together with what all of them share.
#[macro_export]
macro_rules! attack {
    ($file:literal) => {
        concat!(
            include_str!("../attacks/common.py"),
            "\n",
            include_str!(concat!("../attacks/", $file)),
            "\nend()\n"
        )
    };
}

/// Where [`install`] puts programs.
pub const DIRECTORY: &str = "/usr/local/lib/attacks";

/// Puts attack programs, by name and text, into files of a host, where they find each other.
pub fn install(host: &Host, programs: &[(&str, &str)]) {
    host.run("root", &["mkdir", DIRECTORY]).ok();
    for (name, text) in programs {
        host.write(&format!("{DIRECTORY}/{name}"), text, 0o755);
    }
}

impl Attacker {
    /// A command of the attacker's.
    #[must_use]
    pub fn command<'host>(&self, host: &'host Host, argv: &[&str]) -> HostCommand<'host> {
        match self {
            Attacker::Host(user) => host.command(user, argv),
            Attacker::User(user) => host.caddis(user, &[&["run"], argv].concat()),
            Attacker::Root(user) => host.caddis(user, &[&["root"], argv].concat()),
        }
    }

    /// Runs a Python program with these arguments to its end.
    #[track_caller]
    pub fn run(&self, host: &Host, program: &str, arguments: &[&str]) -> Findings {
        let argv = [&["python3", "-"], arguments].concat();
        Findings::of(self.command(host, &argv).stdin(program).run())
    }
}

impl Findings {
    /// Takes the output of a program apart, which must have come to its end.
    #[track_caller]
    #[must_use]
    pub fn of(output: Output) -> Findings {
        let output = output.ok();
        assert!(
            output.stdout.ends_with("\nend\n"),
            "the attack broke off\n{output}"
        );
        let attempts = output
            .stdout
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, result)| (name.to_owned(), result.to_owned()))
            .collect();
        Findings { attempts, output }
    }

    /// All attempts, with what came of each: `done …` or `refused ERRNO`.
    #[must_use]
    pub fn attempts(&self) -> &[(String, String)] {
        &self.attempts
    }

    /// The names of the attempts that had an effect.
    #[must_use]
    pub fn done(&self) -> Vec<&str> {
        let done = self
            .attempts
            .iter()
            .filter(|(_, result)| result.starts_with("done"));
        done.map(|(name, _)| name.as_str()).collect()
    }

    /// What came of the attempt `name`: `done …` or `refused ERRNO`.
    #[track_caller]
    #[must_use]
    pub fn result(&self, name: &str) -> &str {
        let found = self.attempts.iter().find(|(one, _)| one == name);
        match found {
            Some((_, result)) => result,
            None => panic!("no attempt {name:?}\n{}", self.output),
        }
    }

    /// Itself, when there were at least `least` attempts and none of them had an effect.
    #[track_caller]
    pub fn all_refused(self, least: usize) -> Findings {
        assert!(self.attempts.len() >= least, "too few\n{}", self.output);
        assert!(
            self.done().is_empty(),
            "these worked: {:?}\n{}",
            self.done(),
            self.output
        );
        self
    }
}

//! `caddis admin policy`

use std::io;
use std::path::{Path, PathBuf};

use caddis_policy::{NO_POLICY, PolicyError, PolicyErrors};
use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;

use crate::commands::output::print;
use crate::error::Error;
use crate::render::json::json;
use crate::render::text::shown;
use caddis_client::policy;

/// Look after the policy
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
}

/// Check a policy file
///
/// Every error is shown with file, line, column, key, and what is allowed. The exit status is 0 if there is none, else
/// 1. It is 125 if the host's policy is missing, or if somebody else than root could exchange it:
///    then nothing starts.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// The file; the host's policy if left out
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,

    /// Print JSON: an array of objects with file, line, column, key, problem and allowed
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin policy check
  caddis admin policy check ./policy.toml";

impl Policy {
    /// Runs the command.
    pub fn run(self) -> Result<u8, Error> {
        match self.command {
            Command::Check(check) => check.run(),
        }
    }
}

impl Check {
    /// Reads the file as the helper would, and shows what it would say.
    fn run(self) -> Result<u8, Error> {
        let of_host = self.file.is_none();
        let file = self.file.unwrap_or_else(policy::path);
        let text = std::fs::read(&file).map_err(|error| {
            let missing = of_host && error.kind() == io::ErrorKind::NotFound;
            let error = Error::io("read policy", file.display(), error);
            if missing {
                error.hint(NO_POLICY)
            } else {
                error
            }
        })?;
        // What is in it does not count where others than root could exchange it.
        if of_host && let Some(fault) = policy::fault() {
            return Err(
                Error::failed(format!("trust policy {}: {fault}", file.display()))
                    .hint(policy::remedy(&fault)),
            );
        }
        let errors = caddis_policy::parse_bytes(&text).err();
        print(&match (&errors, self.json) {
            (errors, true) => json(
                &errors
                    .iter()
                    .flatten()
                    .map(|error| object(&file, error))
                    .collect::<Vec<_>>(),
            )?,
            (Some(errors), false) => as_lines(&file, errors),
            (None, false) => format!("{}: ok\n", file.display()),
        })?;
        Ok(u8::from(errors.is_some()))
    }
}

fn as_lines(file: &Path, errors: &PolicyErrors) -> String {
    errors.iter().map(|error| line(file, error)).collect()
}

/// In the form that editors jump to: `file:line:column: …`.
fn line(file: &Path, error: &PolicyError) -> String {
    let key = error
        .key
        .as_ref()
        .map(|key| format!("key `{}`: ", shown(key.as_bytes())))
        .unwrap_or_default();
    let allowed = error
        .allowed
        .as_ref()
        .map(|allowed| format!("; allowed: {allowed}"))
        .unwrap_or_default();
    let problem = shown(error.problem.as_bytes());
    format!(
        "{}:{}:{}: {key}{problem}{allowed}\n",
        file.display(),
        error.line,
        error.column
    )
}

#[derive(Serialize)]
struct Json<'a> {
    file: String,
    line: usize,
    column: usize,
    key: Option<&'a str>,
    problem: &'a str,
    allowed: Option<&'a str>,
}

fn object<'a>(file: &Path, error: &'a PolicyError) -> Json<'a> {
    Json {
        file: file.display().to_string(),
        line: error.line,
        column: error.column,
        key: error.key.as_deref(),
        problem: &error.problem,
        allowed: error.allowed.as_deref(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_place_key_and_what_is_allowed() {
        let errors = caddis_policy::parse("[session]\nlinger = \"soon\"\n").unwrap_err();
        let text = as_lines(Path::new("p.toml"), &errors);
        assert!(text.starts_with("p.toml:2:"), "{text}");
        assert!(
            text.contains("key `session.linger`: ") && text.contains("; allowed: "),
            "{text}"
        );
    }
}

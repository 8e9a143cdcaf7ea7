//! `caddis remove`

use std::ffi::OsString;

use caddis_policy::EnvName;
use clap::Args;

use super::list::environments;
use super::question::{agreed, can_ask};
use crate::error::Error;
use crate::helper::{Call, Environment};
use crate::render::size::size;
use crate::session::{environment_name, require_own_environments};

/// Remove environments and everything changed in them
///
/// Asks first. Without a terminal to ask on, nothing is removed unless --yes is given. An environment with running
/// sessions, or with processes that have outlasted them, is only removed with --force, which ends them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Remove {
    /// The environments
    #[arg(value_name = "ENV", required = true)]
    pub env: Vec<OsString>,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// End what runs in them first
    #[arg(short, long)]
    pub force: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis remove trial
  caddis remove --yes --force trial old";

impl Remove {
    /// Asks, then has the helper do it.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let names: Vec<EnvName> = self
            .env
            .iter()
            .map(|name| environment_name(name))
            .collect::<Result<_, _>>()?;
        if !self.yes {
            if !can_ask() {
                return Err(Error::failed(format!(
                    "remove {}: there is no terminal to ask on",
                    joined(&names)
                ))
                .hint("--yes removes without asking"));
            }
            let question = question(&names, &environments(&Call::new("list"))?.0)?;
            if !agreed(&question) {
                return Err(Error::reported(1));
            }
        }
        let call = Call::new("remove").flag("--force", self.force);
        match call.operands(names.iter().map(EnvName::as_str)).exec()? {}
    }
}

/// What there is to lose. Names of environments that do not exist are found out before anything is asked.
pub fn question(names: &[EnvName], list: &[Environment]) -> Result<String, Error> {
    let mut parts = Vec::new();
    for name in names {
        let environment = list
            .iter()
            .find(|environment| environment.name == name.as_str())
            .ok_or_else(|| {
                Error::failed(format!("remove `{name}`: there is no such environment"))
                    .hint("`caddis list` names yours")
            })?;
        parts.push(format!("`{name}` ({} of changes)", size(environment.bytes)));
    }
    Ok(format!("Remove {} for good?", parts.join(", ")))
}

fn joined(names: &[EnvName]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_what_is_lost() {
        let name = |text: &str| EnvName::parse(text.as_bytes()).unwrap();
        let list = [Environment {
            uid: 1,
            name: "a".into(),
            state: "stopped".into(),
            sessions: 0,
            bytes: 4096,
            used: None,
        }];
        assert_eq!(
            question(&[name("a")], &list).unwrap(),
            "Remove `a` (4 KiB of changes) for good?"
        );
        let error = question(&[name("a"), name("b")], &list).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("caddis: remove `b`: there is no such environment")
        );
    }
}

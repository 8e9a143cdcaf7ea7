//! `caddis admin remove`

use std::collections::BTreeMap;
use std::ffi::OsString;

use caddis_policy::EnvName;
use clap::{ArgGroup, Args, ValueHint};

use super::orphans::orphans;
use super::scope::{Scope, require_root};
use crate::commands::list::environments;
use crate::commands::question::{agreed, can_ask};
use crate::commands::remove::question;
use crate::error::Error;
use crate::helper::{Call, Orphan};
use crate::render::size::size;
use crate::render::text::shown;
use crate::session::environment_name;

/// Remove users' environments, or those whose account is gone
///
/// Asks first. Without a terminal to ask on, nothing is removed unless --yes is given. --orphans
/// alone removes what was set aside when its account was deleted. With --user it is that user's
/// only, by name or number, and those too that only seem to have no account: a name service that is
/// away finds none.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("which").args(["env", "orphans"]).required(true))]
pub struct Remove {
    /// Only this user's: a name, or the number of an account that is gone
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    user: Option<OsString>,

    /// The user's environments
    #[arg(value_name = "ENV", requires = "user")]
    env: Vec<OsString>,

    /// All environments whose account is gone
    #[arg(long, conflicts_with = "force")]
    orphans: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// End what runs in them first
    #[arg(short, long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin remove --user alice old
  caddis admin remove --orphans
  caddis admin remove --orphans --user 1500 --yes";

impl Remove {
    /// Asks, then has it done.
    pub fn run(self) -> Result<u8, Error> {
        require_root(
            "remove users' environments",
            "`caddis remove` removes your own",
        )?;
        match self.orphans {
            true => self.run_orphans(),
            false => self.run_users(),
        }
    }

    fn run_users(self) -> Result<u8, Error> {
        let names: Vec<EnvName> = self
            .env
            .iter()
            .map(|name| environment_name(name))
            .collect::<Result<_, _>>()?;
        let scope = Scope {
            user: self.user,
            all: false,
        };
        if !self.yes {
            let list = environments(&scope.apply(Call::new("list"))?)?.0;
            confirmed(&question(&names, &list)?)?;
        }
        let call = scope
            .apply(Call::new("remove"))?
            .flag("--force", self.force);
        match call.operands(names.iter().map(EnvName::as_str)).exec()? {}
    }

    fn run_orphans(self) -> Result<u8, Error> {
        let (mut list, status) = orphans(self.user.as_deref())?;
        if self.user.is_none() {
            list.retain(|orphan| orphan.state == "set-aside");
        }
        if list.is_empty() {
            return Ok(status);
        }
        if !self.yes {
            confirmed(&about(&list))?;
        }
        let mut directories: Vec<&str> = list.iter().map(|one| one.directory.as_str()).collect();
        directories.dedup();
        match Call::admin("remove-orphans").operands(directories).exec()? {}
    }
}

fn confirmed(question: &str) -> Result<(), Error> {
    if !can_ask() {
        return Err(
            Error::failed("remove environments: there is no terminal to ask on")
                .hint("--yes removes without asking"),
        );
    }
    match agreed(question) {
        true => Ok(()),
        false => Err(Error::reported(1)),
    }
}

/// What there is to lose, a part for each former account.
fn about(list: &[Orphan]) -> String {
    let mut users: BTreeMap<(u32, &[u8]), (usize, u64)> = BTreeMap::new();
    for orphan in list {
        let sum = users.entry((orphan.uid, &orphan.user)).or_default();
        sum.0 += usize::from(!orphan.name.is_empty());
        sum.1 += orphan.bytes;
    }
    let part = |((uid, user), (count, bytes)): (&(u32, &[u8]), &(usize, u64))| {
        let environments = match count {
            1 => "1 environment".to_owned(),
            count => format!("{count} environments"),
        };
        let user = shown(user);
        format!(
            "{environments} of the former user {user} ({uid}, {} of changes)",
            size(*bytes)
        )
    };
    let parts: Vec<String> = users.iter().map(part).collect();
    format!("Remove {} for good?", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_whose_and_how_much() {
        let one = |name: &str| Orphan {
            directory: ".orphan-1500-1".into(),
            uid: 1500,
            user: b"mallory".to_vec(),
            name: name.into(),
            state: "set-aside".into(),
            bytes: 4096,
            used: None,
        };
        assert_eq!(
            about(&[one("a"), one("b")]),
            "Remove 2 environments of the former user mallory (1500, 8 KiB of changes) for good?"
        );
    }
}

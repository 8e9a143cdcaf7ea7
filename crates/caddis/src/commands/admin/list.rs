//! `caddis admin list`

use clap::Args;

use super::scope::{Scope, require_root};
use crate::commands::list::environments;
use crate::commands::output::{Names, look, now, print};
use crate::error::Error;
use crate::helper::Call;
use crate::render::environments::{as_json, as_table};

/// List users' environments
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct List {
    #[command(flatten)]
    scope: Scope,

    /// Print JSON: as `caddis list --json`, with user
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin list
  caddis admin list --user alice --json";

impl List {
    /// Asks the helper and shows what it says.
    pub fn run(self) -> Result<u8, Error> {
        require_root("list users' environments", "`caddis list` lists your own")?;
        let (list, status) = environments(&self.scope.apply(Call::new("list"))?)?;
        let names = Names::default();
        let owner = |uid| names.name(uid);
        let text = match self.json {
            true => as_json(&list, Some(&owner))?,
            false => as_table(&list, Some(&owner), now(), look()),
        };
        print(&text)?;
        Ok(status)
    }
}

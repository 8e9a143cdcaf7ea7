//! `caddis admin list`

use clap::Args;

use super::orphans::orphans;
use super::scope::{Scope, require_root};
use crate::commands::list::environments;
use crate::commands::output::{Names, look, now, print};
use crate::error::Error;
use crate::helper::Call;
use crate::render;
use crate::render::environments::{as_json, as_table};

/// List users' environments
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct List {
    #[command(flatten)]
    scope: Scope,

    /// Those whose account is gone (with --user: by its former name or number), and the directories
    /// that they are in
    #[arg(long)]
    orphans: bool,

    /// Print JSON: as `caddis list --json`, with user; with --orphans also directory, and no
    /// sessions
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin list
  caddis admin list --user alice --json
  caddis admin list --orphans";

impl List {
    /// Asks the helper and shows what it says.
    pub fn run(self) -> Result<u8, Error> {
        require_root("list users' environments", "`caddis list` lists your own")?;
        if self.orphans {
            let (list, status) = orphans(self.scope.user.as_deref())?;
            print(&match self.json {
                true => render::orphans::as_json(&list)?,
                false => render::orphans::as_table(&list, now(), look()),
            })?;
            return Ok(status);
        }
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

//! `caddis admin stop`

use std::ffi::OsString;

use caddis_policy::EnvName;
use clap::Args;

use super::scope::{Scope, require_root};
use crate::error::Error;
use crate::helper::Call;
use crate::session::environment_name;

/// End users' sessions and processes
///
/// Say whose: --user NAME or --all. What they changed stays.
///
/// Without ENV this also ends processes outside of environments that have ids of the users'
/// environments, as `caddis admin ps` lists them. The users' other processes on the host go on.
/// What cannot be ended is named.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = clap::ArgGroup::new("whose").args(["user", "all"]).required(true))]
pub struct Stop {
    #[command(flatten)]
    scope: Scope,

    /// Only this environment; all of the user's if left out
    #[arg(value_name = "ENV", conflicts_with = "all")]
    env: Option<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin stop --user alice project
  caddis admin stop --user alice
  caddis admin stop --all";

impl Stop {
    /// Has the helper do it.
    pub fn run(self) -> Result<u8, Error> {
        require_root("stop users' environments", "`caddis stop` ends your own")?;
        let name = self.env.map(|name| environment_name(&name)).transpose()?;
        let call = self
            .scope
            .apply(Call::new("stop").flag("--every", name.is_none()))?;
        match call.operands(name.as_ref().map(EnvName::as_str)).exec()? {}
    }
}

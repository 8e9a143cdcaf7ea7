//! `caddis new`

use std::ffi::OsString;

use clap::Args;

use crate::error::Error;
use crate::helper::Call;
use crate::session::{environment_name, require_own_environments};

/// Make an environment, empty or as a copy of another
///
/// A copy shares its data with the original until one of them changes it, where the file system can do that.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct New {
    /// The new environment's name: up to 64 letters, digits, `.`, `_` and `-`
    #[arg(value_name = "ENV")]
    pub env: OsString,

    /// Copy this one
    #[arg(long, value_name = "OTHER")]
    pub from: Option<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  caddis new project                   an empty one
  caddis new trial --from project      a copy to try something in";

impl New {
    /// Has the helper do it.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let name = environment_name(&self.env)?;
        let from = self
            .from
            .map(|other| environment_name(&other))
            .transpose()?;
        let call =
            Call::new("new").maybe("--from", from.as_ref().map(caddis_policy::EnvName::as_str));
        match call.operands([name.as_str()]).exec()? {}
    }
}

//! `caddis admin refresh`

use clap::Args;

use super::scope::require_root;
use crate::error::Error;
use crate::helper::Call;

/// Take notice of changes to the host
///
/// Run it after files that only root can read were added to the host or removed from it. Environments started from
/// then on see the result.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Refresh {}

const EXAMPLES: &str = "\
Example:
  caddis admin refresh";

impl Refresh {
    /// Has the helper do it.
    pub fn run(self) -> Result<u8, Error> {
        require_root("refresh the base", "ask the administrator of this machine")?;
        match Call::new("veil").exec()? {}
    }
}

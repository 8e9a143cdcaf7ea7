//! `caddis diff`

use std::ffi::OsString;

use clap::Args;

use super::diff_packages;
use crate::error::Error;

/// Show what you have changed in an environment, against the machine's own
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Diff {
    /// The environment [default: `default`]
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<OsString>,

    /// Packages added, upgraded and removed instead of files
    #[arg(long, required = true)]
    pub packages: bool,

    /// Print JSON: an array of objects with package, architecture, change, base, and yours
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis diff --packages
  caddis diff --packages -e project --json";

impl Diff {
    /// Compares, and shows what differs.
    pub fn run(self) -> Result<u8, Error> {
        diff_packages::run(self.env.as_deref(), self.json)
    }
}

//! `caddis doctor`

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::output::{look, print};
use crate::doctor;
use crate::error::Error;
use crate::helper::Level;
use crate::render::{checks::as_lines, json::json};

/// Check whether this host is fit for Caddis
///
/// One line each: ok, or what is wrong and what to do about it. The exit status is 0 if nothing failed, else 1.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Doctor {
    /// Check for this user instead of the caller
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub user: Option<OsString>,

    /// Print JSON: an array of objects with level (ok, warn, fail), topic, text and hint
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis doctor
  sudo caddis doctor --user alice
  caddis doctor --json | jq '.[] | select(.level != \"ok\")'";

impl Doctor {
    /// Looks at everything and shows it.
    pub fn run(self) -> Result<u8, Error> {
        let checks = doctor::examine(self.user.as_deref())?;
        print(&if self.json {
            json(&checks)?
        } else {
            as_lines(&checks, look())
        })?;
        Ok(u8::from(
            checks.iter().any(|check| check.level == Level::Fail),
        ))
    }
}

//! `caddis config`

use std::ffi::OsString;

use clap::Args;

use crate::error::Error;
use crate::helper::Call;
use crate::helper::call::is_plain;
use crate::render::text::quoted;
use crate::session::{DEFAULT, environment_name, require_own_environments};

/// Show or change an environment's settings
///
/// Without arguments, all settings are shown; with KEY, one; with KEY=VALUE, one is changed; KEY= goes back to the
/// default. A change holds from the environment's next start.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Config {
    /// The environment [default: `default`]
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<OsString>,

    /// The setting
    #[arg(value_name = "KEY[=VALUE]")]
    pub setting: Option<OsString>,
}

const EXAMPLES: &str = "\
Settings:
  hostname=NAME        the host name seen inside [default: the host's]
  login=user|root      as whom `caddis enter` opens a shell [default: user]

Examples:
  caddis config
  caddis config -e project hostname=project
  caddis config login=root";

impl Config {
    /// Has the helper do it.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let name = environment_name(self.env.as_deref().unwrap_or(DEFAULT.as_ref()))?;
        if let Some(setting) = self.setting.as_ref().filter(|setting| !is_plain(setting)) {
            let setting = quoted(setting.as_encoded_bytes());
            return Err(Error::usage(format!(
                "setting {setting}: a key does not begin with a dash"
            )));
        }
        match Call::new("config")
            .operands([OsString::from(name.as_str())])
            .operands(self.setting)
            .exec()? {}
    }
}

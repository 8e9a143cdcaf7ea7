//! `caddis config`

use std::ffi::{OsStr, OsString};

use clap::Args;

use super::output::print;
use crate::error::Error;
use crate::helper::Call;
use crate::helper::call::is_plain;
use crate::render::text::quoted;
use crate::session::{environment_name, named_or_meant, require_own_environments};

/// Show or change settings, an environment's and your own
///
/// Without arguments, all settings are shown; with KEY, one; with KEY=VALUE, one is changed; KEY= goes back to what it
/// was. A change of an environment's holds from its next start.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Config {
    /// The environment [default: the one you are in, else the one of the setting `default`]
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<OsString>,

    /// The setting
    #[arg(value_name = "KEY[=VALUE]")]
    pub setting: Option<OsString>,

    /// The environment that is meant where none is named: the one it was asked from
    #[arg(skip)]
    pub here: Option<OsString>,
}

const EXAMPLES: &str = "\
Settings of an environment:
  hostname=NAME        the host name seen inside [default: the host's]
  login=user|root      as whom `caddis enter` opens a shell [default: user]

Your own:
  default=ENV          the environment that is meant where none is named; @last: the one you used last
                       [default: `default`; for a login, what the administrator says]

Examples:
  caddis config
  caddis config -e project hostname=project
  caddis config login=root
  caddis config default=project";

impl Config {
    /// Has the helper do it.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let named = self.env.as_deref().map(environment_name).transpose()?;
        if let Some(setting) = self.setting.as_ref().filter(|setting| !is_plain(setting)) {
            let setting = quoted(setting.as_encoded_bytes());
            return Err(Error::usage(format!(
                "setting {setting}: a key does not begin with a dash"
            )));
        }
        let own = Call::new("config").flag("--own", true);
        if self.setting.as_deref().is_some_and(is_own) {
            if named.is_some() {
                return Err(Error::usage(
                    "`default` is your own setting, not one of an environment: leave out -e",
                ));
            }
            match own.operands(self.setting).exec()? {}
        }
        if self.setting.is_none() && named.is_none() {
            print(&String::from_utf8_lossy(&own.bytes()?))?;
        }
        let name = named_or_meant(
            self.env.as_deref().or(self.here.as_deref()),
            Call::new("config"),
        )?;
        match Call::new("config")
            .operands([OsString::from(name.as_str())])
            .operands(self.setting)
            .exec()? {}
    }
}

/// Whether it is about the user's own setting.
fn is_own(setting: &OsStr) -> bool {
    let key = setting
        .as_encoded_bytes()
        .split(|byte| *byte == b'=')
        .next();
    key == Some(b"default")
}

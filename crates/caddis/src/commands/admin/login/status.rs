//! `caddis admin login status`

use caddis_client::text::shown;
use caddis_policy::{Policy, Preferred};
use clap::Args;
use serde::Serialize;

use super::drop_in::DropIn;
use super::enable::{bypass_of, excepted, whose};
use super::sshd::View;
use super::survey::Survey;
use super::{listed, place, program, warn};
use crate::commands::output::print;
use crate::doctor::load_policy;
use crate::error::Error;
use crate::helper::Level;
use crate::render::json::json;

/// Show whether logins lead into environments
///
/// The exit status is 0 if logins over ssh do, 1 if not, 125 if that could not be found out. Only root can ask sshd whether
/// its configuration as a whole does what our part of it says; anybody else is told what that part says.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Status {
    /// Print JSON: an object with enabled, file, groups (empty: everybody), bypass_groups, current (whether `enable` would
    /// write the same today), effective (null: only root can find out), reason, login_shell_of, policy
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin login status
  caddis admin login status --json | jq .effective
  caddis admin login status >/dev/null || echo 'logins lead to the plain host'";

impl Status {
    /// Looks and tells.
    pub fn run(self) -> Result<u8, Error> {
        let drop_in = match place::read()? {
            Some(text) => Some(DropIn::parse(&text).ok_or_else(not_ours)?),
            None => None,
        };
        // Without a policy that is in order there is less to tell, but that is told.
        let (policy, check) = load_policy();
        let broken = check.level != Level::Ok;
        if broken {
            warn(&check.text);
        }
        let found = Found {
            drop_in: drop_in
                .map(|drop_in| Installed::of(drop_in, &policy))
                .transpose()?,
            login_shell_of: program::login_shell_of()?,
            policy: (!broken).then_some(policy),
        };
        print(&match self.json {
            true => json(&found.as_json())?,
            false => found.as_text(),
        })?;
        Ok(u8::from(!found.is_enabled()))
    }
}

fn not_ours() -> Error {
    Error::failed(format!(
        "read {}: it is not as Caddis wrote it",
        place::path()
    ))
    .hint("`caddis admin login enable` replaces it, `caddis admin login disable` removes it")
}

struct Found {
    drop_in: Option<Installed>,
    login_shell_of: Vec<String>,
    policy: Option<Policy>,
}

/// A drop-in that is there.
struct Installed {
    drop_in: DropIn,
    /// Whether it leaves out those whom the policy leaves out today, and runs the program that is installed.
    current: bool,
    /// Why it does not do what it says, if root asks.
    effect: Option<Result<(), String>>,
}

impl Installed {
    fn of(drop_in: DropIn, policy: &Policy) -> Result<Self, Error> {
        let bypass = bypass_of(policy).filter_map(Result::ok);
        let current =
            drop_in.program == program::path() && bypass.eq(drop_in.bypass.iter().cloned());
        let effect = match rustix::process::getuid().is_root() {
            true => Some(effect(&drop_in, policy)?),
            false => None,
        };
        Ok(Self {
            drop_in,
            current,
            effect,
        })
    }
}

/// What sshd does with it. A configuration that sshd does not take is not in force either.
fn effect(drop_in: &DropIn, policy: &Policy) -> Result<Result<(), String>, Error> {
    if let Err(error) = super::sshd::check(View::AsItIs) {
        return Ok(Err(error.message().to_owned()));
    }
    let survey = Survey::of(drop_in, policy, View::AsItIs)?;
    for caution in &survey.cautions {
        warn(caution);
    }
    Ok(match survey.objection() {
        Some(objection) => Err(objection.message().to_owned()),
        None => Ok(()),
    })
}

impl Found {
    fn is_enabled(&self) -> bool {
        self.drop_in
            .as_ref()
            .is_some_and(|installed| !matches!(installed.effect, Some(Err(_))))
    }

    fn as_text(&self) -> String {
        let mut text = match &self.drop_in {
            None => "Logins over ssh lead to the plain host.\n".to_owned(),
            Some(installed) => installed.as_text(),
        };
        if !self.login_shell_of.is_empty() {
            text.push_str(&format!(
                "caddis-login is the login shell of {}.\n",
                listed(&self.login_shell_of)
            ));
        }
        if let Some(policy) = &self.policy {
            let login = Login::of(policy);
            let host = match login.host {
                true => "everybody may ask for the plain host",
                false => "nobody else may ask for the plain host",
            };
            text.push_str(&format!(
                "Policy: environment {}, plain host for root{}; {host}.\n",
                login.environment,
                login
                    .bypass_groups
                    .iter()
                    .map(|name| format!(", {}", shown(name.as_bytes())))
                    .collect::<String>(),
            ));
        }
        text
    }

    fn as_json(&self) -> Json {
        let installed = self.drop_in.as_ref();
        let names = |names: &[super::group_name::GroupName]| {
            names.iter().map(ToString::to_string).collect()
        };
        let effect = installed.and_then(|installed| installed.effect.as_ref());
        Json {
            enabled: self.is_enabled(),
            file: place::path(),
            groups: installed.map(|installed| names(&installed.drop_in.groups)),
            bypass_groups: installed.map(|installed| names(&installed.drop_in.bypass)),
            current: installed.map(|installed| installed.current),
            effective: effect.map(Result::is_ok),
            reason: effect.and_then(|effect| effect.as_ref().err().cloned()),
            login_shell_of: self.login_shell_of.clone(),
            policy: self.policy.as_ref().map(Login::of),
        }
    }
}

impl Installed {
    fn as_text(&self) -> String {
        let (whose, excepted) = (whose(&self.drop_in), excepted(&self.drop_in));
        let mut text = format!("{whose} lead into environments, except those of {excepted}.\n");
        if let Some(Err(reason)) = &self.effect {
            text = format!("{} is there, but not in force: {reason}\n", place::path());
        }
        if !self.current {
            text.push_str("It is older than the policy's login.bypass_groups or than this Caddis: run `caddis admin login enable` again.\n");
        }
        text
    }
}

#[derive(Debug, Serialize)]
struct Json {
    enabled: bool,
    file: String,
    groups: Option<Vec<String>>,
    bypass_groups: Option<Vec<String>>,
    current: Option<bool>,
    effective: Option<bool>,
    reason: Option<String>,
    login_shell_of: Vec<String>,
    policy: Option<Login>,
}

/// The policy's table, as it is written there.
#[derive(Debug, Serialize)]
struct Login {
    environment: String,
    bypass_groups: Vec<String>,
    host: bool,
    shell: String,
    background_seconds: u64,
}

impl Login {
    fn of(policy: &Policy) -> Self {
        let login = &policy.login;
        Self {
            environment: match &login.environment {
                Preferred::Named(name) => name.to_string(),
                Preferred::Last => "@last".to_owned(),
            },
            bypass_groups: login.bypass_groups.clone(),
            host: login.host,
            shell: login.shell.display().to_string(),
            background_seconds: login.background.as_secs(),
        }
    }
}

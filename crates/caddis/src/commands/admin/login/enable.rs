//! `caddis admin login enable`

use caddis_client::text::shown;
use caddis_policy::Policy;
use clap::Args;

use super::candidate::Candidate;
use super::drop_in::DropIn;
use super::group_name::GroupName;
use super::place::{self, DIRECTORY, Place};
use super::reload::reload;
use super::sshd::{View, check};
use super::survey::{Survey, bypass_names};
use super::{listed, policy, program, warn};
use crate::commands::admin::scope::require_root;
use crate::commands::output::print;
use crate::error::Error;
use crate::user::group;

/// Have logins over ssh lead into environments
///
/// Those of everybody, or of the members of the named groups; never those of root and of the members of the policy's
/// login.bypass_groups. Run it again to name other groups, and after a change of login.bypass_groups.
///
/// sshd reads the new configuration before it is in force: whether it is in order, and whether it does for some of these
/// users what it is to do. Then sshd is told. Sessions that run go on. The exit status is 0, 1 if sshd's configuration
/// cannot be changed so (nothing was), 125 for other failures.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Enable {
    /// Only members of this group; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,

    /// Do not tell the running sshd
    #[arg(long)]
    no_reload: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin login enable --group testers
  caddis admin login enable --group students --group guests
  caddis admin login enable";

impl Enable {
    /// Checks and writes the drop-in.
    pub fn run(self) -> Result<u8, Error> {
        require_root(
            "enable logins into environments",
            "ask the administrator of this machine",
        )?;
        // With a broken policy nobody could log in.
        let policy = policy()?;
        program::check()?;
        let drop_in = drop_in(&self.groups, &policy)?;
        let Some(place) = Place::lock()? else {
            let error = Error::failed(format!(
                "open {DIRECTORY}: it is not there, so sshd reads no drop-ins"
            ));
            return Err(error.hint(format!("mkdir {DIRECTORY}, and put `Include {DIRECTORY}/*.conf` at the beginning of /etc/ssh/sshd_config")));
        };
        let text = drop_in.render();
        let survey = match examine(&drop_in, &text, &policy) {
            Ok(survey) => survey,
            Err(error) => {
                error.report(2);
                return Err(Error::reported(1));
            }
        };
        if place::read()?.as_ref() != Some(&text) {
            place.replace(&text)?;
        }
        warn_of(&survey);
        let (whose, excepted) = (whose(&drop_in), excepted(&drop_in));
        print(&format!(
            "{whose} lead into environments, except those of {excepted}.\n"
        ))?;
        match self.no_reload {
            true => print("sshd was not told: it reads this when it is reloaded or started.\n")?,
            false => print(&format!("{}\n", reload()?))?,
        }
        if let Some(user) = survey.reached.first() {
            print(&format!("Try it: ssh {user}@localhost\n"))?;
        }
        Ok(0)
    }
}

/// Has sshd read it where it would be.
fn examine(drop_in: &DropIn, text: &str, policy: &Policy) -> Result<Survey, Error> {
    let candidate = Candidate::new(text)?;
    check(View::With(&candidate))?;
    let survey = Survey::of(drop_in, policy, View::With(&candidate))?;
    match survey.objection() {
        Some(objection) => Err(objection),
        None => Ok(survey),
    }
}

/// What the drop-in is to say.
fn drop_in(groups: &[String], policy: &Policy) -> Result<DropIn, Error> {
    let mut bypass = Vec::new();
    for name in bypass_of(policy) {
        match name {
            Ok(name) => bypass.push(name),
            Err(why) => warn(&why),
        }
    }
    let mut names = Vec::new();
    for name in groups {
        let name = existing(name)?;
        if bypass.contains(&name) {
            let text = format!(
                "enable logins of group {name}: its members get the plain host (policy: login.bypass_groups)"
            );
            return Err(
                Error::failed(text).hint("name another group, or take this one off that list")
            );
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(DropIn {
        groups: names,
        bypass,
        program: program::path(),
    })
}

/// The groups that the policy leaves out, or why sshd cannot leave one out, which caddis-login then does alone.
pub fn bypass_of(policy: &Policy) -> impl Iterator<Item = Result<GroupName, String>> {
    bypass_names(policy).into_iter().map(|name| {
        GroupName::new(&name).map_err(|why| {
            let name = shown(name.as_bytes());
            format!("only caddis-login leaves out the group {name} of login.bypass_groups, sshd cannot: the name {why}")
        })
    })
}

/// A group that there is, under the name that sshd knows it by.
fn existing(name: &str) -> Result<GroupName, Error> {
    let failed = |why: &str| {
        Error::failed(format!(
            "enable logins of group {}: {why}",
            shown(name.as_bytes())
        ))
    };
    let checked = GroupName::new(name).map_err(|why| {
        failed(&format!(
            "sshd's configuration cannot hold it: the name {why}"
        ))
        .hint("make a group with a plainer name")
    })?;
    let Some(group) = group::by_name(name)? else {
        return Err(failed("there is no such group").hint("`getent group` lists them"));
    };
    // sshd goes by numbers, and calls each by the first name that it finds.
    match group::name_of(group.gid) {
        Some(first) if first != name.as_bytes() => {
            let error = failed("its number has another name first, and sshd goes by that");
            Err(error.hint(format!("--group {}", shown(&first))))
        }
        _ => Ok(checked),
    }
}

fn warn_of(survey: &Survey) {
    for caution in &survey.cautions {
        warn(caution);
    }
    for (user, reach) in &survey.missed {
        warn(&format!("not for {user}: {reach}"));
    }
    if survey.reached.is_empty() {
        warn(
            "nobody was found to check it with; `sshd -T -C user=NAME,host=localhost,addr=127.0.0.1` shows what holds for NAME",
        );
    }
}

/// "Logins of …"
pub fn whose(drop_in: &DropIn) -> String {
    match drop_in.groups.as_slice() {
        [] => "Everybody's logins".to_owned(),
        [one] => format!("Logins of members of {one}"),
        several => format!("Logins of members of {}", listed(several)),
    }
}

/// Those who are left out.
pub fn excepted(drop_in: &DropIn) -> String {
    match drop_in.bypass.as_slice() {
        [] => "root".to_owned(),
        some => format!("root and of members of {}", listed(some)),
    }
}

//! For whom the drop-in counts: sshd is asked about some of those who are meant, and of those who are not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use caddis_client::text::shown;
use caddis_client::user::account::{accounts, number, read_if_there};
use caddis_client::user::group::{self, Group};
use caddis_policy::{Policy, Refusal, Who};

use super::drop_in::DropIn;
use super::reach::{Reach, cautions};
use super::sshd::{View, settings_for};
use crate::error::Error;
use crate::user::Account;

/// Of each group so many are asked about: a few milliseconds each, and one of them may be a special case.
const SOME: usize = 8;

/// What sshd said.
#[derive(Debug, Default)]
pub struct Survey {
    /// These get caddis-login.
    pub reached: Vec<String>,
    /// These should, but do not.
    pub missed: Vec<(String, Reach)>,
    /// These should not, but do.
    pub caught: Vec<String>,
    /// What else there is to know.
    pub cautions: BTreeSet<String>,
}

impl Survey {
    /// Asks.
    pub fn of(drop_in: &DropIn, policy: &Policy, view: View<'_>) -> Result<Self, Error> {
        let mut survey = Self::default();
        for user in meant(drop_in, policy)? {
            let settings = settings_for(view, &user)?;
            match Reach::of(&settings, &drop_in.program) {
                Reach::Ours => {
                    survey.cautions.extend(cautions(&settings));
                    survey.reached.push(user);
                }
                other => survey.missed.push((user, other)),
            }
        }
        for (user, shell) in with_odd_shells(drop_in, policy)? {
            if Reach::of(&settings_for(view, &user)?, &drop_in.program) == Reach::Ours {
                survey.cautions.insert(format!(
                    "{user} has the shell {shell}, by which sshd has to run caddis-login: if that runs no other programs, {user} \
                     cannot log in; in a group of login.bypass_groups nothing changes for them"
                ));
            }
        }
        if let Some((user, refusal, more)) = refused(drop_in, policy)?
            && Reach::of(&settings_for(view, &user)?, &drop_in.program) == Reach::Ours
        {
            let others = match more {
                0 => String::new(),
                more => format!("; so for {more} more"),
            };
            survey.cautions.insert(format!(
                "{refusal}, and {user} cannot log in over ssh any more{others}; in a group of login.bypass_groups nothing changes \
                 for them"
            ));
        }
        for user in not_meant(drop_in)? {
            if settings_for(view, &user)?.get("forcecommand") == Some(&drop_in.program) {
                survey.caught.push(user);
            }
        }
        Ok(survey)
    }

    /// Why the drop-in must not come, or does not come, into force.
    pub fn objection(&self) -> Option<Error> {
        if let Some(user) = self.caught.first() {
            let text = format!(
                "check sshd's configuration: {user} is to get the plain host, but would get caddis-login"
            );
            let hint = "look for another ForceCommand of caddis-login in /etc/ssh/sshd_config and beside ours";
            return Some(Error::failed(text).hint(hint));
        }
        match (self.reached.as_slice(), self.missed.first()) {
            ([], Some((user, reach))) => Some(
                Error::failed(format!("check sshd's configuration: for {user}, {reach}"))
                    .hint(reach.hint()),
            ),
            _ => None,
        }
    }
}

/// Some of those whom the drop-in is for.
fn meant(drop_in: &DropIn, policy: &Policy) -> Result<Vec<String>, Error> {
    let mut users = Vec::new();
    for accounts in all_meant(drop_in)? {
        users.extend(some(accounts, drop_in, policy)?);
    }
    users.sort();
    users.dedup();
    Ok(users)
}

/// The accounts whom the drop-in is for, group by group.
fn all_meant(drop_in: &DropIn) -> Result<Vec<Vec<Account>>, Error> {
    if drop_in.groups.is_empty() {
        return Ok(vec![local()?]);
    }
    let mut groups = Vec::new();
    for name in &drop_in.groups {
        if let Some(group) = group::by_name(name.as_str())? {
            groups.push(members(&group)?);
        }
    }
    Ok(groups)
}

/// Those who run what they are told to; and those by which nobody logs in anyway.
const PLAIN_SHELLS: [&str; 22] = [
    "ash",
    "bash",
    "busybox",
    "csh",
    "dash",
    "elvish",
    "fish",
    "ksh",
    "ksh93",
    "lksh",
    "mksh",
    "nu",
    "sh",
    "tcsh",
    "xonsh",
    "yash",
    "zsh",
    "caddis-login",
    "sync",
    "shutdown",
    "halt",
    "",
];

/// Accounts for one purpose have shells of their own (`git-shell`), which may run nothing else: not caddis-login either.
fn with_odd_shells(drop_in: &DropIn, policy: &Policy) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    for account in all_meant(drop_in)?.into_iter().flatten() {
        let shell = Path::new(&account.shell);
        let name = shell.file_name().unwrap_or_default();
        let plain = name
            .to_str()
            .is_some_and(|name| PLAIN_SHELLS.contains(&name));
        if account.uid != 0
            && !plain
            && has_a_shell(&account)
            && !is_left_out(&account, drop_in, policy)?
        {
            let shell = shown(account.shell.as_encoded_bytes());
            found.extend(name_of(&account).map(|user| (user, shell)));
        }
    }
    Ok(found)
}

/// Whom the policy refuses an environment, and why, which leaves nothing to log in to: the first one, and how many more.
fn refused(drop_in: &DropIn, policy: &Policy) -> Result<Option<(String, Refusal, usize)>, Error> {
    let access = &policy.access;
    let for_all = access.users.iter().any(|user| user == "*");
    if for_all && access.deny_users.is_empty() && access.deny_groups.is_empty() {
        // Whose groups come from a name service, each of them costs a program.
        return Ok(None);
    }
    let mut found = BTreeMap::new();
    for account in all_meant(drop_in)?.into_iter().flatten() {
        if account.uid >= policy.access.min_uid
            && has_a_shell(&account)
            && let Err(refusal) = judged(&account, |who| policy.access.allows(who))?
            && !is_left_out(&account, drop_in, policy)?
            && let Some(user) = name_of(&account)
        {
            found.insert(user, refusal);
        }
    }
    let more = found.len().saturating_sub(1);
    Ok(found
        .pop_first()
        .map(|(user, refusal)| (user, refusal, more)))
}

/// What the policy says of an account.
fn judged<T>(account: &Account, judge: impl FnOnce(&Who<'_>) -> T) -> Result<T, Error> {
    let gids = group::groups_of(account)?;
    Ok(judge(&Who {
        uid: account.uid,
        user_name: Some(account.name.as_encoded_bytes()),
        gids: &gids,
        group_name: &group::name_of,
    }))
}

/// Root, and a member of each group that is left out.
fn not_meant(drop_in: &DropIn) -> Result<Vec<String>, Error> {
    let mut users = vec!["root".to_owned()];
    for name in &drop_in.bypass {
        if let Some(group) = group::by_name(name.as_str())? {
            users.extend(members(&group)?.iter().filter_map(name_of).next());
        }
    }
    Ok(users)
}

fn some(accounts: Vec<Account>, drop_in: &DropIn, policy: &Policy) -> Result<Vec<String>, Error> {
    let mut users = Vec::new();
    for account in accounts {
        if users.len() == SOME {
            break;
        }
        let person = account.uid >= policy.access.min_uid && has_a_shell(&account);
        if person && !is_left_out(&account, drop_in, policy)? {
            users.extend(name_of(&account));
        }
    }
    Ok(users)
}

/// `nobody` and its like are no examples of those who log in.
fn has_a_shell(account: &Account) -> bool {
    let program = Path::new(&account.shell).file_name();
    !program.is_some_and(|name| name == "nologin" || name == "false")
}

fn is_left_out(account: &Account, drop_in: &DropIn, policy: &Policy) -> Result<bool, Error> {
    judged(account, |who| {
        let names = || who.gids.iter().filter_map(|gid| group::name_of(*gid));
        policy.login.bypasses(who)
            || names().any(|name| {
                let mut left = drop_in.bypass.iter();
                left.any(|left| left.as_str().as_bytes() == name)
            })
    })
}

/// Those whom the database lists, and the local accounts whose own group it is.
fn members(group: &Group) -> Result<Vec<Account>, Error> {
    let mut members = local()?;
    members.retain(|account| account.gid == group.gid);
    for name in group.members.iter().take(4 * SOME) {
        members.extend(Account::by_name(name)?);
    }
    Ok(members)
}

fn local() -> Result<Vec<Account>, Error> {
    Ok(accounts(&read_if_there(Path::new("/etc/passwd"))?).collect())
}

/// A name that stands for itself in `sshd -C`.
fn name_of(account: &Account) -> Option<String> {
    let name = account.name.to_str()?;
    (!name.contains(',') && shown(name.as_bytes()) == name).then(|| name.to_owned())
}

/// The names of the groups that the policy leaves out, numbers resolved; those without a name are caddis-login's to know.
pub fn bypass_names(policy: &Policy) -> Vec<String> {
    let name = |entry: &String| match number(entry.as_bytes()) {
        // A replacement for bytes that are no text is no sign of a name either, and is refused as
        // such.
        Some(gid) => group::name_of(gid).map(|name| String::from_utf8_lossy(&name).into_owned()),
        None => Some(entry.clone()),
    };
    let mut names: Vec<String> = Vec::new();
    for name in policy.login.bypass_groups.iter().filter_map(name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

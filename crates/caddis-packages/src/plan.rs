//! What has to be done to the user's database so that it has the base's packages as well.

use crate::decision::{Decision, Files, Owner, Versions, decide};
use crate::info;
use crate::paragraph::Broken;
use crate::side;
use crate::status::{Group, Status};
use std::collections::{BTreeMap, BTreeSet};

/// The file of packages, from `/var/lib` on.
pub const STATUS: &str = "dpkg/status";

/// The base's database at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base {
    /// Its files by their paths from `/var/lib` on.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The names in `dpkg/info`.
    pub info: BTreeSet<Vec<u8>>,
}

/// What an entry of the user's own layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File,
    /// The base's is taken away.
    Whiteout,
}

/// What the user's own layer has of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// Its files by their paths from `/var/lib` on; one that is taken away is empty.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The names in `dpkg/info`.
    pub info: BTreeMap<Vec<u8>, Entry>,
}

/// All that a merge starts from.
#[derive(Debug)]
pub struct Input<'a> {
    /// What the base may have been when the user's copies were taken, the earliest first; empty: nobody knows.
    pub then: &'a [Base],
    /// What it is now.
    pub now: &'a Base,
    /// What the user has.
    pub own: &'a Own,
    /// The packages that were conflicts before.
    pub named: &'a BTreeSet<String>,
}

/// A package that both have changed. The user's version stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its name.
    pub package: String,
    /// The version of the base; `None`: it has none.
    pub base: Option<String>,
    /// The user's.
    pub user: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Names in `dpkg/info` to take away: files of the base's version of a package of which the user has another one.
    pub hide: Vec<Vec<u8>>,
    /// Files to write, by their paths from `/var/lib` on.
    pub write: Vec<(String, Vec<u8>)>,
    /// What the user should know.
    pub conflicts: Vec<Conflict>,
    /// Files that are left as they are, because they cannot be understood.
    pub left: Vec<(String, Broken)>,
}

/// Makes the plan. An error: the user's `status`, or the base's, cannot be understood, and all stays as it is.
pub fn plan(input: &Input<'_>) -> Result<Plan, Broken> {
    let text = |base: &Base| base.files.get(STATUS).cloned().unwrap_or_default();
    let texts: Vec<Vec<u8>> = input.then.iter().map(text).collect();
    let then = texts
        .iter()
        .map(|text| Status::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let now_text = text(input.now);
    let now = Status::parse(&now_text)?;
    let own = input.own.files.get(STATUS);
    let seen = own.or(texts.first()).unwrap_or(&now_text);
    let user = Status::parse(seen)?;
    if user.is_empty() && !now.is_empty() {
        return Err(Broken("it is empty"));
    }
    let files = Shown::of(input);
    let names: BTreeSet<&[u8]> = then
        .iter()
        .chain([&now, &user])
        .flat_map(Status::names)
        .collect();
    let decisions: BTreeMap<&[u8], Decision> = names
        .iter()
        .map(|name| {
            let versions = Versions {
                then: then.iter().map(|then| then.get(name)).collect(),
                now: now.get(name),
                user: user.get(name),
                files: files.of_package(name),
                named: std::str::from_utf8(name).is_ok_and(|name| input.named.contains(name)),
            };
            (*name, decide(&versions))
        })
        .collect();
    let mut plan = Plan {
        hide: hidden(input, &decisions),
        conflicts: conflicts(&decisions, &now, &user),
        ..Plan::default()
    };
    side_files(input, &decisions, &mut plan);
    // Last: it says that the packages are there.
    let merged = user.write(&names, |name, text| {
        let (base, own) = (now.get(name), user.get(name));
        match (
            decisions.get(name).map(|decision| decision.owner),
            base,
            own,
        ) {
            (Some(Owner::User), _, Some(own)) => own.write(text),
            (Some(Owner::BaseAsWanted), Some(base), Some(own)) => base.write_wanted(own, text),
            (Some(Owner::Base | Owner::BaseAsWanted), Some(base), _) => base.write(text),
            _ => {}
        }
    });
    if own.is_some_and(|own| says_other(own, &merged)) {
        plan.write.push((STATUS.to_owned(), merged));
    }
    Ok(plan)
}

/// Whether the texts differ in more than empty lines.
fn says_other(a: &[u8], b: &[u8]) -> bool {
    let lines = |text| <[u8]>::split(text, |byte| *byte == b'\n').filter(|line| !line.is_empty());
    !lines(a).eq(lines(b))
}

/// Who has which of the packages' own files.
struct Shown<'a> {
    lists: BTreeMap<&'a [u8], Entry>,
    /// Packages of which a file of the base shows.
    of_base: BTreeSet<&'a [u8]>,
}

impl<'a> Shown<'a> {
    fn of(input: &Input<'a>) -> Shown<'a> {
        let own = &input.own.info;
        let lists = own.iter().filter(|(name, _)| info::is_list(name));
        let earliest = input.then.first().unwrap_or(input.now);
        let of_base = earliest.info.iter().filter(|name| !own.contains_key(*name));
        Shown {
            lists: lists
                .filter_map(|(name, entry)| Some((info::package(name)?, *entry)))
                .collect(),
            of_base: of_base.filter_map(|name| info::package(name)).collect(),
        }
    }

    /// A list alone is no sign that a package was unpacked: dpkg writes it anew when another package takes over a file.
    fn of_package(&self, name: &[u8]) -> Files {
        match self.lists.get(name) {
            Some(Entry::Whiteout) => Files::Removed,
            Some(Entry::File) if !self.of_base.contains(name) => Files::User,
            _ => Files::Base,
        }
    }
}

/// Files that the base has got since, of packages of which the user has another version.
fn hidden(input: &Input<'_>, decisions: &BTreeMap<&[u8], Decision>) -> Vec<Vec<u8>> {
    let Some(earliest) = input.then.first() else {
        return Vec::new();
    };
    let of_user = |name: &[u8]| {
        decisions
            .get(name)
            .is_some_and(|decision| decision.owner == Owner::User)
    };
    let new = input.now.info.difference(&earliest.info);
    new.filter(|name| !input.own.info.contains_key(*name))
        .filter(|name| info::package(name).is_some_and(of_user))
        .cloned()
        .collect()
}

fn conflicts(
    decisions: &BTreeMap<&[u8], Decision>,
    now: &Status<'_>,
    user: &Status<'_>,
) -> Vec<Conflict> {
    let version = |group: Option<&Group<'_>>| group.and_then(Group::version).map(plain);
    let named = decisions.iter().filter(|(_, decision)| decision.conflict);
    named
        .map(|(name, _)| Conflict {
            package: plain(name),
            base: version(now.get(name)),
            user: version(user.get(name)),
        })
        .collect()
}

/// Nothing that a terminal, or a line of fields, would take for something else.
fn plain(text: &[u8]) -> String {
    let shown = |byte: &u8| {
        if byte.is_ascii_graphic() && *byte != b'%' {
            char::from(*byte)
        } else {
            '?'
        }
    };
    text.iter().take(256).map(shown).collect()
}

fn side_files(input: &Input<'_>, decisions: &BTreeMap<&[u8], Decision>, plan: &mut Plan) {
    let paths: BTreeSet<&String> = input
        .now
        .files
        .keys()
        .chain(input.own.files.keys())
        .collect();
    for path in paths {
        let Some(form) = side::form(path) else {
            continue;
        };
        let of = |base: &Base| base.files.get(path).cloned().unwrap_or_default();
        let then: Vec<Vec<u8>> = input.then.iter().map(of).collect();
        let now = of(input.now);
        let own = input.own.files.get(path);
        // What the base shows is what the user saw, until now.
        let user = own.or(then.first()).unwrap_or(&now);
        let then: Vec<&[u8]> = then.iter().map(Vec::as_slice).collect();
        let owner = |name: &[u8]| decisions.get(name).map(|decision| decision.owner);
        match side::merge(form, &then, &now, user, owner) {
            Ok(merged) => {
                let merged = merged.as_ref().unwrap_or(user);
                if merged != own.unwrap_or(&now) {
                    plan.write.push((path.clone(), merged.clone()));
                }
            }
            Err(broken) => plan.left.push((path.clone(), broken)),
        }
    }
}

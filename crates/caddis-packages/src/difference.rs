//! How the packages of two databases differ.

use crate::paragraph::{Broken, Paragraph, parse};
use crate::version::compare;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What became of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The base has none.
    Added,
    /// It is newer than the base's.
    Upgraded,
    /// It is older than the base's.
    Downgraded,
    /// The same version, in another state (not configured, say).
    Changed,
    /// Only the base has it.
    Removed,
    /// The base's, and to stay as it is.
    Held,
}

/// A package that is not as in the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub package: String,
    /// Its architecture.
    pub architecture: String,
    /// What became of it.
    pub kind: Kind,
    /// The version of the base.
    pub base: Option<String>,
    /// The user's.
    pub user: Option<String>,
}

/// The base's paragraph about a package, and the user's.
type Both<'b, 'a> = [Option<&'b Paragraph<'a>>; 2];

/// The differences, by names. Names and versions may hold anything.
pub fn differences(base: &[u8], user: &[u8]) -> Result<Vec<Change>, Broken> {
    let (base, user) = (parse(base)?, parse(user)?);
    let mut packages: BTreeMap<_, Both<'_, '_>> = BTreeMap::new();
    for (side, all) in [&base, &user].into_iter().enumerate() {
        for one in all.iter().filter(|one| one.installed().is_some()) {
            packages.entry((one.package, one.architecture)).or_default()[side] = Some(one);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let version = |one: Option<&Paragraph<'_>>| one.and_then(Paragraph::installed).map(text);
    let changes = packages
        .iter()
        .filter_map(|((package, architecture), both)| {
            Some(Change {
                package: text(package),
                architecture: text(architecture),
                kind: kind(both[0], both[1])?,
                base: version(both[0]),
                user: version(both[1]),
            })
        });
    Ok(changes.collect())
}

fn kind(base: Option<&Paragraph<'_>>, user: Option<&Paragraph<'_>>) -> Option<Kind> {
    let (base, user) = match (base, user) {
        (None, _) => return Some(Kind::Added),
        (_, None) => return Some(Kind::Removed),
        (Some(base), Some(user)) => (base, user),
    };
    let version = |one: &Paragraph<'_>| one.installed().unwrap_or_default().to_vec();
    let [of_base, of_user] = [base.state()?, user.state()?];
    match compare(&version(user), &version(base)) {
        Ordering::Greater => Some(Kind::Upgraded),
        Ordering::Less => Some(Kind::Downgraded),
        Ordering::Equal if of_base[1..] != of_user[1..] => Some(Kind::Changed),
        Ordering::Equal if of_base[0] != of_user[0] && of_user[0] == b"hold" => Some(Kind::Held),
        Ordering::Equal => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, version: &str, state: &str) -> String {
        format!("Package: {name}\nStatus: {state}\nArchitecture: all\nVersion: {version}\n\n")
    }

    #[test]
    fn each_kind() {
        let ok = "install ok installed";
        let base = [
            ("a", "1"),
            ("c", "1.9"),
            ("d", "2"),
            ("e", "1"),
            ("f", "1"),
            ("g", "1"),
            ("h", "1"),
        ];
        let base = base.map(|(name, version)| one(name, version, ok)).concat();
        let user = [
            one("b", "1", ok),
            one("c", "1.10", ok),
            one("d", "1", ok),
            one("e", "1", "deinstall ok config-files"),
            one("f", "1", "hold ok installed"),
            one("g", "1", "install ok unpacked"),
            one("h", "1", ok),
        ];
        let found = differences(base.as_bytes(), user.concat().as_bytes()).unwrap();
        let kinds: Vec<_> = found
            .iter()
            .map(|one| (one.package.as_str(), one.kind))
            .collect();
        let expected = [
            ("a", Kind::Removed),
            ("b", Kind::Added),
            ("c", Kind::Upgraded),
            ("d", Kind::Downgraded),
            ("e", Kind::Removed),
            ("f", Kind::Held),
            ("g", Kind::Changed),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(
            (found[2].base.as_deref(), found[2].user.as_deref()),
            (Some("1.9"), Some("1.10"))
        );
    }
}

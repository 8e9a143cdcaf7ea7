//! The laws of a merge, whatever the databases hold, and no harm from any bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_packages::{Base, Entry, Input, Own, Plan, STATUS, differences, parse, plan};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A few packages, each with version, what is wanted, and architecture.
type Packages = BTreeMap<String, (u8, bool, bool)>;

fn packages() -> impl Strategy<Value = Packages> {
    prop::collection::btree_map("[a-f]", (0_u8..3, any::<bool>(), any::<bool>()), 0..6)
}

fn status(packages: &Packages) -> Vec<u8> {
    let one = |(name, (version, hold, all)): (&String, &(u8, bool, bool))| {
        let (want, architecture) = (
            if *hold { "hold" } else { "install" },
            if *all { "all" } else { "amd64" },
        );
        format!(
            "Package: {name}\nStatus: {want} ok installed\nArchitecture: {architecture}\nVersion: {version}\nDescription: d\n more\n\n"
        )
    };
    packages.iter().map(one).collect::<String>().into_bytes()
}

fn info(packages: &Packages) -> BTreeSet<Vec<u8>> {
    let two = |name: &String| {
        [
            format!("{name}.list").into_bytes(),
            format!("{name}.md5sums").into_bytes(),
        ]
    };
    packages.keys().flat_map(two).collect()
}

fn base(packages: &Packages) -> Base {
    Base {
        files: [(STATUS.to_owned(), status(packages))].into(),
        info: info(packages),
    }
}

/// What dpkg leaves in the user's layer when it makes `user` of `then`.
fn own(then: &Packages, user: &Packages) -> Own {
    let mut info = BTreeMap::new();
    for name in then.keys().chain(user.keys()) {
        let versions = [then.get(name), user.get(name)].map(|one| one.map(|one| (one.0, one.2)));
        if versions[0] != versions[1] {
            let entry = if user.contains_key(name) {
                Entry::File
            } else {
                Entry::Whiteout
            };
            for kind in ["list", "md5sums"] {
                info.insert(format!("{name}.{kind}").into_bytes(), entry);
            }
        }
    }
    Own {
        files: [(STATUS.to_owned(), status(user))].into(),
        info,
    }
}

fn planned(then: &[Packages], now: &Packages, own: &Own) -> Plan {
    let then: Vec<Base> = then.iter().map(base).collect();
    let named = BTreeSet::new();
    plan(&Input {
        then: &then,
        now: &base(now),
        own,
        named: &named,
    })
    .unwrap()
}

/// The status after the merge.
fn merged(plan: &Plan, own: &Own) -> Vec<u8> {
    let written = plan.write.iter().find(|(path, _)| path == STATUS);
    written.map_or_else(|| own.files[STATUS].clone(), |(_, text)| text.clone())
}

/// An empty status is no database.
fn usable(packages: &Packages) -> bool {
    !packages.is_empty()
}

proptest! {
    #[test]
    fn what_only_the_user_changed_stays(then in packages(), user in packages().prop_filter("", usable)) {
        let own = own(&then, &user);
        prop_assert_eq!(planned(std::slice::from_ref(&then), &then, &own), Plan::default());
    }

    #[test]
    fn what_only_the_administrator_changed_comes(then in packages().prop_filter("", usable), now in packages()) {
        let own = own(&then, &then);
        let plan = planned(&[then], &now, &own);
        prop_assert_eq!(merged(&plan, &own), status(&now));
        prop_assert!(plan.conflicts.is_empty() && plan.hide.is_empty());
    }

    #[test]
    fn a_merge_is_whole_and_nothing_is_lost(
        then in packages(), now in packages(), user in packages().prop_filter("", usable),
    ) {
        let own = own(&then, &user);
        let plan = planned(std::slice::from_ref(&then), &now, &own);
        let text = merged(&plan, &own);
        // No package twice, none in the midst of another.
        let all = parse(&text).unwrap();
        let names: BTreeSet<&[u8]> = all.iter().map(|one| one.package).collect();
        prop_assert_eq!(names.len(), all.len());
        let version = |packages: &Packages, name: &str| packages.get(name).map(|one| (one.0, one.2));
        for name in then.keys().chain(now.keys()).chain(user.keys()) {
            let [t, n, u] = [&then, &now, &user].map(|one| version(one, name));
            let result = all.iter().find(|one| one.package == name.as_bytes());
            let result = result.map(|one| (one.installed().unwrap()[0] - b'0', one.architecture == b"all"));
            // The version follows the files: the user's if the user has any, else the base's.
            prop_assert_eq!(result, if u == t { n } else { u }, "{}", name);
            let named = plan.conflicts.iter().any(|one| one.package == *name);
            if u != t && n != t && u != n {
                prop_assert!(named, "{name} is not named");
            }
            if u == t && then.get(name) == user.get(name) {
                prop_assert!(!named, "{name} is named");
            }
        }
        // Once more: nothing is left to be done, from the new base or, after a crash, from either.
        let mut again = own.clone();
        again.files.insert(STATUS.to_owned(), text);
        again.info.extend(plan.hide.iter().map(|name| (name.clone(), Entry::Whiteout)));
        if !again.files[STATUS].is_empty() {
            prop_assert_eq!(planned(std::slice::from_ref(&now), &now, &again), Plan::default());
            let crashed = planned(&[then, now.clone()], &now, &again);
            prop_assert!(crashed.write.is_empty() && crashed.hide.is_empty(), "{crashed:?}");
        }
    }

    /// A user who upgraded what the base then gets new files of does not see those.
    #[test]
    fn files_of_a_version_that_is_not_the_users_are_hidden(then in packages(), user in packages().prop_filter("", usable)) {
        let own = own(&then, &user);
        let named = BTreeSet::new();
        let mut now = base(&then);
        let new: Vec<Vec<u8>> = then.keys().map(|name| format!("{name}.prerm").into_bytes()).collect();
        now.info.extend(new.iter().cloned());
        let plan = plan(&Input { then: &[base(&then)], now: &now, own: &own, named: &named }).unwrap();
        for name in then.keys() {
            let changed = then.get(name) != user.get(name);
            let hidden = plan.hide.contains(&format!("{name}.prerm").into_bytes());
            prop_assert_eq!(hidden, changed, "{}", name);
        }
    }

    #[test]
    fn any_bytes_are_a_database_or_none(
        then: Vec<u8>, now: Vec<u8>, user: Vec<u8>, name in "dpkg/(status|diversions|statoverride|arch|triggers/x)|apt/extended_states",
    ) {
        let of = |text: &[u8]| [(name.clone(), text.to_vec())].into();
        let base = |text: &[u8]| Base { files: of(text), info: BTreeSet::new() };
        let own = Own { files: of(&user), info: BTreeMap::new() };
        let _ = plan(&Input { then: &[base(&then)], now: &base(&now), own: &own, named: &BTreeSet::new() });
        let _ = differences(&now, &user);
    }

    /// Nearly right ones: lines of databases in any order.
    #[test]
    fn any_lines_give_a_database_that_can_be_read_again(
        lines in prop::collection::vec("Package: [ab]|Status: (hold|install) ok (installed|config-files)|Version: [12]|Architecture: x| more|:|x|", 0..24),
        now in packages(), then in packages(),
    ) {
        let user = format!("{}\n", lines.join("\n")).into_bytes();
        let mut own = own(&then, &then);
        own.files.insert(STATUS.to_owned(), user.clone());
        let then = [base(&then)];
        let input = Input { then: &then, now: &base(&now), own: &own, named: &BTreeSet::new() };
        match plan(&input) {
            Ok(plan) => { parse(&merged(&plan, &own)).unwrap(); }
            Err(_) => prop_assert!(parse(&user).is_err() || parse(&user).unwrap().is_empty()),
        }
    }
}

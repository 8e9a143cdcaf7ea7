//! Who may use Caddis.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;

use caddis_policy::{Access, Refusal, Who};

fn names(gid: u32) -> Option<Vec<u8>> {
    match gid {
        100 => Some("users".into()),
        200 => Some("physics".into()),
        _ => None,
    }
}

fn alice(gids: &[u32]) -> Who<'_> {
    Who {
        uid: 1000,
        user_name: Some(b"alice"),
        gids,
        group_name: &names,
    }
}

fn list(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|&entry| entry.to_owned()).collect()
}

fn access(users: &[&str], groups: &[&str], deny_users: &[&str], deny_groups: &[&str]) -> Access {
    Access {
        min_uid: 1000,
        users: list(users),
        groups: list(groups),
        deny_users: list(deny_users),
        deny_groups: list(deny_groups),
    }
}

#[test]
fn everybody_but_system_accounts_by_default() {
    let access = Access::default();
    assert_eq!(access.allows(&alice(&[100])), Ok(()));
    assert_eq!(
        access.allows(&Who {
            uid: 0,
            ..alice(&[])
        }),
        Err(Refusal::Root)
    );
    let refusal = access
        .allows(&Who {
            uid: 999,
            ..alice(&[])
        })
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "uid 999 is below 1000, the first that may use Caddis (policy: access.min_uid)"
    );
}

#[test]
fn root_is_refused_even_where_the_lists_name_it() {
    let mut access = access(&["root", "0", "*"], &["*"], &[], &[]);
    access.min_uid = 0;
    assert_eq!(
        access.allows(&Who {
            uid: 0,
            ..alice(&[0])
        }),
        Err(Refusal::Root)
    );
}

#[test]
fn users_and_groups_by_name_and_by_number() {
    for (users, groups, allowed) in [
        (&["alice"][..], &[][..], true),
        (&["1000"], &[], true),
        (&["01000"], &[], true),
        (&["bob", "1001"], &[], false),
        (&[], &["physics"], true),
        (&[], &["200"], true),
        (&[], &["*"], true),
        (&[], &["chemistry", "201"], false),
        (&[], &[], false),
    ] {
        let answer = access(users, groups, &[], &[]).allows(&alice(&[100, 200]));
        assert_eq!(answer.is_ok(), allowed, "{users:?} {groups:?}: {answer:?}");
    }
}

#[test]
fn denial_wins() {
    for (users, groups) in [
        (&["alice"][..], &[][..]),
        (&["1000"], &[]),
        (&["*"], &[]),
        (&[], &["physics"]),
        (&[], &["200"]),
        (&[], &["*"]),
    ] {
        assert!(
            access(&["*"], &["*"], users, groups)
                .allows(&alice(&[200]))
                .is_err()
        );
    }
    assert_eq!(
        access(&["*"], &[], &["bob"], &["300"]).allows(&alice(&[100])),
        Ok(())
    );
}

#[test]
fn a_name_that_is_not_found_does_not_pass_a_denial_by_name() {
    let nameless = Who {
        user_name: None,
        ..alice(&[100])
    };
    assert_eq!(
        access(&["*"], &[], &["bob"], &[]).allows(&nameless),
        Err(Refusal::UserUnknown { uid: 1000 })
    );
    assert_eq!(
        access(&["*"], &[], &["1001"], &[]).allows(&nameless),
        Ok(())
    );
    let denied = access(&["*"], &[], &[], &["guests"]);
    assert_eq!(
        denied.allows(&alice(&[100, 7])),
        Err(Refusal::GroupUnknown { gid: 7 })
    );
    assert_eq!(
        access(&["*"], &[], &[], &["8"]).allows(&alice(&[100, 7])),
        Ok(())
    );
}

#[test]
fn a_name_of_digits_is_nobody_elses_uid() {
    let digits = Who {
        uid: 2000,
        user_name: Some(b"1000"),
        ..alice(&[])
    };
    assert!(access(&["1000"], &[], &[], &[]).allows(&digits).is_err());
}

#[test]
fn names_of_groups_are_looked_up_only_where_needed() {
    let calls = Cell::new(0);
    let counting = |gid| {
        calls.set(calls.get() + 1);
        names(gid)
    };
    let who = Who {
        group_name: &counting,
        ..alice(&[100, 200])
    };
    assert_eq!(Access::default().allows(&who), Ok(()));
    assert_eq!(
        access(&[], &["physics", "200"], &["bob"], &["300"]).allows(&who),
        Ok(())
    );
    assert_eq!(calls.get(), 0);
    assert_eq!(access(&[], &["physics"], &[], &[]).allows(&who), Ok(()));
    assert_eq!(calls.get(), 2);
}

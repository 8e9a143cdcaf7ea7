//! What holds for every input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;

use caddis_policy::{
    Devices, EnvName, Extent, Ids, RANGE, Storage, SubEntry, gid_map, id_range, map_text, parse,
    parse_bytes, parse_leniently, parse_subid, spare_uid, uid_map,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The host id of an inside id.
fn outside(map: &[Extent], inside: u32) -> Option<u32> {
    let extent = map
        .iter()
        .find(|e| inside.checked_sub(e.inside).is_some_and(|n| n < e.count))?;
    Some(extent.outside + (inside - extent.inside))
}

/// No id stands twice on the side that `first` picks.
fn disjoint(map: &[Extent], first: fn(&Extent) -> u32) -> bool {
    let mut spans: Vec<(u64, u64)> = map
        .iter()
        .map(|e| {
            (
                u64::from(first(e)),
                u64::from(first(e)) + u64::from(e.count),
            )
        })
        .collect();
    spans.sort_unstable();
    spans.windows(2).all(|pair| pair[0].1 <= pair[1].0)
}

/// The ids before `end` are mapped, all of them once.
fn check_map(map: &[Extent], own: &[u32], start: u32, end: u32) -> Result<(), TestCaseError> {
    prop_assert!(disjoint(map, |e| e.inside), "{map:?}");
    prop_assert!(disjoint(map, |e| e.outside), "{map:?}");
    prop_assert!(
        map.windows(2).all(|pair| pair[0].inside < pair[1].inside),
        "{map:?}"
    );
    prop_assert!(map.iter().all(|e| e.count > 0), "{map:?}");
    let own: HashSet<u32> = own.iter().copied().collect();
    // With the sums below, the edges tell all.
    let edges = map
        .iter()
        .flat_map(|e| [e.inside, e.inside + (e.count - 1)])
        .chain([0, end - 1]);
    for inside in edges.filter(|&inside| inside < RANGE) {
        let expected = if own.contains(&inside) {
            inside
        } else {
            start + inside
        };
        prop_assert_eq!(outside(map, inside), Some(expected));
    }
    for &id in &own {
        prop_assert_eq!(outside(map, id), Some(id));
    }
    let ids: u64 = map.iter().map(|e| u64::from(e.count)).sum();
    let above = own.iter().filter(|&&id| id >= end).count() as u64;
    prop_assert_eq!(ids, u64::from(end) + above);
    prop_assert_eq!(map_text(map).lines().count(), map.len());
    Ok(())
}

/// Ids near each other, so that they meet.
fn id() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..40_u32,
        65530..65545_u32,
        1000..1100_u32,
        any::<u32>().prop_map(|id| id.min(u32::MAX - 1))
    ]
}

fn start() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0x8000_0000), RANGE..=u32::MAX - RANGE]
}

fn entry() -> impl Strategy<Value = SubEntry> {
    let owner = prop_oneof![
        select(vec!["u1000", "u1001", "u1002", "zoe"]).prop_map(str::to_owned),
        (1000..1004_u32).prop_map(|uid| uid.to_string())
    ];
    let start = prop_oneof![
        (0..12_u32).prop_map(|n| n * 40_000),
        0x8000_0000..0x8004_0000_u32,
        any::<u32>()
    ];
    let count = prop_oneof![Just(RANGE), Just(1), 0..200_000_u32, any::<u32>()];
    (owner, start, count).prop_map(|(owner, start, count)| SubEntry {
        owner: owner.into(),
        start,
        count,
    })
}

fn meet(a: u32, b: u32) -> bool {
    a.abs_diff(b) < RANGE
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn uid_maps_are_one_to_one(uid in id(), start in start()) {
        prop_assume!(uid < start || uid - start >= RANGE);
        let map = uid_map(uid, start);
        let end = if uid < RANGE { RANGE } else { RANGE - 1 };
        check_map(&map, &[uid], start, end)?;
        let spare = spare_uid(uid, start);
        prop_assert!(spare >= start && spare - start < RANGE);
        prop_assert!(map.iter().all(|e| spare < e.outside || spare - e.outside >= e.count));
    }

    #[test]
    fn gid_maps_are_one_to_one(gids in vec(id(), 0..60), start in start()) {
        prop_assume!(gids.iter().all(|&gid| gid < start || gid - start >= RANGE));
        check_map(&gid_map(&gids, start).unwrap(), &gids, start, RANGE)?;
    }

    #[test]
    fn gid_maps_fit_the_kernel_or_are_refused(gids in vec(0..3000_u32, 0..600), start in start()) {
        if let Ok(map) = gid_map(&gids, start) {
            prop_assert!(map.len() <= 340);
            check_map(&map, &gids, start, RANGE)?;
        }
    }

    #[test]
    fn maps_of_any_numbers_do_not_panic(uid: u32, gids in vec(any::<u32>(), 0..9), start: u32) {
        let _ = map_text(&uid_map(uid, start));
        let _ = gid_map(&gids, start);
    }

    #[test]
    fn computed_ranges_of_two_users_never_meet(a: u32, near in -3..4_i64, b: u32, start in start(), first_uid in 1..5000_u32) {
        let ids = Ids { start, first_uid, subuid: true };
        for b in [b, u32::try_from(i64::from(a) + near).unwrap_or(b)] {
            if let (Ok(x), Ok(y)) = (id_range(&ids, a, None, &[], &[]), id_range(&ids, b, None, &[], &[])) {
                prop_assert!(a == b || !meet(x.uid_start, y.uid_start) && !meet(x.gid_start, y.gid_start));
            }
        }
    }

    #[test]
    fn ranges_of_users_with_entries_never_meet(subuid in vec(entry(), 0..6), subgid in vec(entry(), 0..6), on: bool) {
        let ids = Ids { subuid: on, ..Ids::default() };
        let of = |uid: u32| id_range(&ids, uid, Some(format!("u{uid}").as_bytes()), &subuid, &subgid);
        for a in 1000..1004 {
            let Ok(x) = of(a) else { continue };
            for start in [x.uid_start, x.gid_start] {
                prop_assert!((RANGE..=u32::MAX - RANGE).contains(&start));
            }
            prop_assert!(a < x.uid_start || a - x.uid_start >= RANGE);
            prop_assert!(disjoint(&uid_map(a, x.uid_start), |e| e.outside));
            for b in a + 1..1004 {
                let Ok(y) = of(b) else { continue };
                prop_assert!(!meet(x.uid_start, y.uid_start), "{a} {x:?} {b} {y:?}");
                prop_assert!(!meet(x.gid_start, y.gid_start), "{a} {x:?} {b} {y:?}");
            }
        }
    }

    #[test]
    fn ranges_of_any_numbers_do_not_panic(start: u32, first_uid: u32, subuid: bool, uid: u32, name in option::of("u100[0-3]"), entries in vec(entry(), 0..6)) {
        if let Err(error) = id_range(&Ids { start, first_uid, subuid }, uid, name.as_deref().map(str::as_bytes), &entries, &entries) {
            prop_assert!(error.to_string().starts_with("id range: "));
        }
    }

    #[test]
    fn names_of_allowed_characters_are_taken(name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}") {
        let parsed = EnvName::parse(name.as_bytes()).unwrap();
        prop_assert_eq!(parsed.as_str(), &name);
        prop_assert_eq!(parsed.to_string(), name);
    }

    #[test]
    fn names_of_any_bytes_are_taken_only_if_they_are_safe(bytes in vec(any::<u8>(), 0..80)) {
        match EnvName::parse(&bytes) {
            Ok(name) => {
                let text = name.as_str();
                prop_assert_eq!(text.as_bytes(), &bytes[..]);
                prop_assert!(!text.contains('/') && !text.starts_with(['.', '-']) && text.len() <= 64);
            }
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
        }
    }

    #[test]
    fn one_wrong_byte_is_found(name in "[a-z]{1,20}", rest in "[a-z]{0,20}", byte: u8) {
        prop_assume!(!byte.is_ascii_alphanumeric() && !b"._-".contains(&byte));
        let bytes = [name.as_bytes(), &[byte], rest.as_bytes()].concat();
        let error = EnvName::parse(&bytes).unwrap_err();
        prop_assert_eq!(error, caddis_policy::NameError::Byte { byte, index: name.len() });
    }

    #[test]
    fn any_text_gives_a_policy_or_errors_with_places(text in any::<String>()) {
        check_parse(&text)?;
    }

    #[test]
    fn any_bytes_give_a_policy_or_errors(bytes in vec(any::<u8>(), 0..200)) {
        let (readable, wrong) = parse_leniently(&bytes);
        prop_assert_eq!(wrong.map_or(Ok(readable), Err), parse_bytes(&bytes));
        if let Err(errors) = parse_bytes(&bytes) {
            prop_assert!(!errors.as_slice().is_empty());
        }
    }

    #[test]
    fn text_that_looks_like_a_policy_gives_a_policy_or_errors(
        words in vec(select(WORDS), 0..40),
    ) {
        check_parse(&words.concat())?;
    }

    #[test]
    fn a_changed_default_file_gives_a_policy_or_errors(at in any::<proptest::sample::Index>(), put in any::<String>(), drop in 0..30_usize) {
        let characters: Vec<char> = DEFAULT.chars().collect();
        let at = at.index(characters.len());
        let end = (at + drop).min(characters.len());
        let text: String = characters[..at].iter().copied().chain(put.chars()).chain(characters[end..].iter().copied()).collect();
        check_parse(&text)?;
    }

    #[test]
    fn a_mistake_elsewhere_opens_no_way_and_closes_none(groups in vec("[a-z]{1,9}", 1..5), host: bool, other in select(&["[acces]", "[view]\nhidden = [\"x\"]", "[root]\ncapabilities = 5", "[session]\nlinger = \"soon\""])) {
        let groups: Vec<String> = groups.into_iter().collect::<HashSet<_>>().into_iter().collect();
        let login = format!("[login]\nhost = {host}\nbypass_groups = {groups:?}\n");
        let good = parse(&login).unwrap();
        let (readable, wrong) = parse_leniently(format!("{login}{other}").as_bytes());
        prop_assert!(wrong.is_some());
        prop_assert_eq!(readable.login, good.login);
    }

    #[test]
    fn names_of_processes_are_taken_as_the_kernel_has_them(name in "[a-z][a-zä:. _-]{0,16}[a-z]") {
        let taken = parse(&format!("session.keep = [{name:?}]"));
        prop_assert_eq!(taken.is_ok(), name.len() <= 15);
    }

    #[test]
    fn any_subid_file_gives_entries(text in any::<Vec<u8>>(), entries in vec(entry(), 0..5)) {
        let _ = parse_subid(&text);
        let lines = entries.iter().flat_map(|e| {
            [&e.owner[..], format!(":{}:{}\n", e.start, e.count).as_bytes(), b"\xff\0\nno entry\n"].concat()
        });
        prop_assert_eq!(parse_subid(&lines.collect::<Vec<u8>>()), entries);
    }

    #[test]
    fn a_pattern_without_stars_covers_itself_and_what_is_below(name in "[a-z0-9.-]{1,9}(/[a-z0-9.-]{1,9}){0,3}", below in "[a-z]{1,9}") {
        prop_assume!(Devices::check(&name).is_ok());
        let devices = Devices { allow: vec![name.clone()] };
        prop_assert!(devices.allows(&name));
        let child = format!("{name}/{below}");
        prop_assert!(devices.allows(&child));
        let sibling = format!("{name}{below}");
        prop_assert!(!devices.allows(&sibling));
    }

    #[test]
    fn stars_match_as_they_should(glob in "[ab*]{1,8}", text in "[ab]{1,8}") {
        prop_assert_eq!(Devices { allow: vec![glob.clone()] }.allows(&text), slow_match(glob.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn sizes_are_one_mount_option(text in "[0-9kKmMgGtT%,=a-z .-]{0,9}") {
        if Storage::check_memory(&text).is_ok() {
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'%'));
            prop_assert!(text.bytes().any(|byte| byte.is_ascii_digit() && byte != b'0'));
        }
    }
}

const DEFAULT: &str = include_str!("../../../packaging/policy.toml");

const WORDS: &[&str] = &[
    "[access]\n",
    "[ids]\n",
    "[view]\n",
    "[root]\n",
    "[session]\n",
    "[storage]\n",
    "[devices]\n",
    "[[view]]\n",
    "min_uid",
    "users",
    "start",
    "linger",
    "private",
    "memory",
    "hidden",
    "expose",
    "capabilities",
    "allow",
    " = ",
    ".",
    "\n",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "\"",
    "\"\"\"",
    "'",
    "#",
    "\\",
    "\"/tmp\"",
    "\"/home\"",
    "\"{uid}\"",
    "\"5m\"",
    "\"*\"",
    "\"chown\"",
    "0x",
    "1000",
    "-1",
    "1e9",
    "true",
    "1979-05-27",
    "ä",
    "\u{1b}",
    "\r",
];

/// The obvious way to match, as slow as can be.
fn slow_match(glob: &[u8], text: &[u8]) -> bool {
    match glob.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|taken| slow_match(rest, &text[taken..])),
        Some((byte, rest)) => text
            .split_first()
            .is_some_and(|(first, more)| first == byte && slow_match(rest, more)),
    }
}

fn check_parse(text: &str) -> Result<(), TestCaseError> {
    let (readable, wrong) = parse_leniently(text.as_bytes());
    prop_assert_eq!(wrong.map_or(Ok(readable), Err), parse(text));
    match parse(text) {
        Ok(policy) => {
            prop_assert_eq!(policy.view.validate(), Ok(()));
            prop_assert_eq!(parse_bytes(text.as_bytes()), Ok(policy));
        }
        Err(errors) => {
            prop_assert!(!errors.as_slice().is_empty());
            prop_assert!(errors.as_slice().is_sorted());
            let lines = text.split('\n').count();
            for error in &errors {
                prop_assert!((1..=lines).contains(&error.line) && error.column >= 1);
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }
    }
    Ok(())
}

//! Ranges and maps of ids: the cases that matter by name. The properties are in `properties.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_policy::{
    Extent, IdRange, Ids, MapError, RangeError, SubEntry, gid_map, id_range, map_text, parse_subid,
    uid_map,
};

fn same(start: u32) -> IdRange {
    IdRange {
        uid_start: start,
        gid_start: start,
    }
}

fn range(uid: u32, subuid: &str, subgid: &str) -> Result<IdRange, RangeError> {
    id_range(
        &Ids::default(),
        uid,
        Some(b"alice"),
        &parse_subid(subuid),
        &parse_subid(subgid),
    )
}

#[test]
fn computed_from_the_uid() {
    assert_eq!(range(1000, "", ""), Ok(same(0x8000_0000)));
    assert_eq!(range(1001, "", ""), Ok(same(0x8001_0000)));
    assert_eq!(range(33766, "", ""), Ok(same(0xfffe_0000)));
    assert!(matches!(
        range(33767, "", ""),
        Err(RangeError::BeyondLast { .. })
    ));
    assert!(matches!(
        range(u32::MAX, "", ""),
        Err(RangeError::BeyondLast { .. })
    ));
    assert!(matches!(
        range(999, "", ""),
        Err(RangeError::BelowFirst { .. })
    ));
}

#[test]
fn the_own_entry_comes_first() {
    let (uids, gids) = ("alice:100000:65536", "alice:200000:70000");
    assert_eq!(
        range(1000, uids, gids),
        Ok(IdRange {
            uid_start: 100_000,
            gid_start: 200_000
        })
    );
    let by_number = "1000:300000:65536";
    assert_eq!(range(1000, by_number, by_number), Ok(same(300_000)));
    let both = "1000:300000:65536\nalice:100000:65536";
    assert_eq!(range(1000, both, both), Ok(same(100_000)));
    let second = "alice:50:10\nalice:100000:65536";
    assert_eq!(range(1000, second, second), Ok(same(100_000)));
    // The names of digits are uids.
    let digits = "1000:100000:65536";
    let other = id_range(
        &Ids::default(),
        2000,
        Some(b"1000"),
        &parse_subid(digits),
        &parse_subid(digits),
    );
    assert_eq!(other, Ok(same(0x8000_0000 + 1000 * 65536)));
}

#[test]
fn an_entry_that_does_not_do_is_passed_over() {
    let computed = Ok(same(0x8000_0000));
    assert_eq!(range(1000, "alice:100000:65536", ""), computed);
    assert_eq!(
        range(1000, "alice:100000:65535", "alice:100000:65536"),
        computed
    );
    assert_eq!(
        range(1000, "bob:100000:65536", "bob:100000:65536"),
        computed
    );
    let entries = parse_subid("alice:100000:65536");
    let off = Ids {
        subuid: false,
        ..Ids::default()
    };
    assert_eq!(
        id_range(&off, 1000, Some(b"alice"), &entries, &entries),
        computed
    );
}

#[test]
fn an_entry_of_somebody_else_is_in_the_way() {
    let bob = "bob:2147549183:1";
    let error = range(1000, bob, "").unwrap_err();
    assert_eq!(
        error.to_string(),
        "id range: ids 2147483648 to 2147549183 of uid 1000 overlap the entry bob:2147549183:1 in /etc/subuid"
    );
    assert!(matches!(
        range(1000, "", bob),
        Err(RangeError::Overlap {
            file: "/etc/subgid",
            ..
        })
    ));
    assert_eq!(
        range(
            1000,
            "bob:2147549184:1\nbob:2147483647:1",
            bob.replace("183", "184").as_str()
        ),
        Ok(same(0x8000_0000))
    );
    assert_eq!(range(1000, "bob:2147483648:0", ""), Ok(same(0x8000_0000)));
    // An own entry that is too small to be used is in nobody's way.
    assert_eq!(
        range(1000, "alice:2147483648:10", ""),
        Ok(same(0x8000_0000))
    );
    // Two users' entries overlap: neither is safe.
    let both = "alice:100000:65536\nbob:165535:65536";
    assert!(matches!(
        range(1000, both, both),
        Err(RangeError::Overlap { .. })
    ));
}

#[test]
fn real_ids_are_no_range() {
    let low = "alice:0:65536";
    assert_eq!(range(1000, low, low), Err(RangeError::RealIds { start: 0 }));
    let high = "alice:100000:65536";
    assert_eq!(
        range(100_001, high, high),
        Err(RangeError::OwnUid {
            uid: 100_001,
            start: 100_000
        })
    );
    let last = "alice:4294901760:65536";
    assert!(matches!(
        range(1000, last, last),
        Err(RangeError::EntryBeyondLast { .. })
    ));
    let last_but_one = "alice:4294901759:65536";
    assert_eq!(
        range(1000, last_but_one, last_but_one),
        Ok(same(4_294_901_759))
    );
}

#[test]
fn lines_of_subuid() {
    let text = "alice:100000:65536\n\n# bob:1:1\nbob:1:1\n:5:5\ncarol:-1:5\ncarol:+1:5\ncarol:1\ncarol:1:2:3\n\
                dave:4294967296:1\n  eve:7:8  \r\n";
    let owners: Vec<Vec<u8>> = parse_subid(text)
        .into_iter()
        .map(|entry| entry.owner)
        .collect();
    assert_eq!(owners, [&b"alice"[..], b"bob", b"eve"]);
    assert_eq!(
        parse_subid("eve:7:8"),
        [SubEntry {
            owner: "eve".into(),
            start: 7,
            count: 8
        }]
    );
}

#[test]
fn maps() {
    assert_eq!(
        map_text(&uid_map(1000, 100_000)),
        "0 100000 1000\n1000 1000 1\n1001 101001 64535\n"
    );
    assert_eq!(map_text(&uid_map(0, 100_000)), "0 0 1\n1 100001 65535\n");
    assert_eq!(
        map_text(&uid_map(65535, 100_000)),
        "0 100000 65535\n65535 65535 1\n"
    );
    assert_eq!(
        map_text(&uid_map(70_000, 100_000)),
        "0 100000 65535\n70000 70000 1\n"
    );
    let gids = gid_map(&[1001, 100, 1000, 100, 90_000], 100_000).unwrap();
    assert_eq!(
        map_text(&gids),
        "0 100000 100\n100 100 1\n101 100101 899\n1000 1000 2\n1002 101002 64534\n90000 90000 1\n"
    );
    assert_eq!(
        gid_map(&[], 100_000),
        Ok(vec![Extent {
            inside: 0,
            outside: 100_000,
            count: 65536
        }])
    );
}

#[test]
fn groups_that_cannot_be_mapped() {
    let scattered: Vec<u32> = (1..=170).map(|n| n * 2).collect();
    assert_eq!(
        gid_map(&scattered[..169], 100_000).map(|map| map.len()),
        Ok(339)
    );
    assert_eq!(
        gid_map(&scattered, 100_000),
        Err(MapError::TooManyExtents {
            groups: 170,
            extents: 341
        })
    );
    let dense: Vec<u32> = (1000..9000).collect();
    assert_eq!(gid_map(&dense, 100_000).map(|map| map.len()), Ok(3));
    assert_eq!(
        gid_map(&[100_005], 100_000),
        Err(MapError::OwnGroup {
            gid: 100_005,
            start: 100_000
        })
    );
    assert_eq!(
        gid_map(&[1], u32::MAX),
        Err(MapError::BeyondLast { start: u32::MAX })
    );
}

#[test]
fn numbers_at_the_edge_do_not_overflow() {
    for id in [0, 65535, 65536, u32::MAX - 1, u32::MAX] {
        for start in [0, 1, 65535, 65536, u32::MAX - 65536, u32::MAX] {
            assert!(uid_map(id, start).len() <= 3);
            let _ = gid_map(&[id, id.wrapping_add(1)], start);
        }
    }
}

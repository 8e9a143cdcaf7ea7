//! Subordinate ids: a uid in the first four bytes, then the text of both files.

#![no_main]

use caddis_policy::{Extent, Ids, gid_map, id_range, map_text, parse_subid, uid_map};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, text)) = bytes.split_first_chunk() else {
        return;
    };
    let uid = u32::from_le_bytes(*head);
    let middle = text.windows(2).position(|two| two == b"--");
    let (subuid, subgid) = match middle {
        Some(at) => (&text[..at], &text[at + 2..]),
        None => (text, text),
    };
    let (subuid, subgid) = (parse_subid(subuid), parse_subid(subgid));
    let ids = Ids::default();

    let of = |uid: u32, name: &[u8]| id_range(&ids, uid, Some(name), &subuid, &subgid);
    let Ok(alice) = of(uid, b"alice") else { return };
    one_to_one(&uid_map(uid, alice.uid_start));
    if let Ok(map) = gid_map(&[uid, 0, 100, 65535], alice.gid_start) {
        one_to_one(&map);
    }
    if let Ok(bob) = of(uid.wrapping_add(1), b"bob") {
        assert!(alice.uid_start.abs_diff(bob.uid_start) >= 65536);
        assert!(alice.gid_start.abs_diff(bob.gid_start) >= 65536);
    }
});

/// No host id has two names, no name two host ids.
fn one_to_one(map: &[Extent]) {
    for (index, a) in map.iter().enumerate() {
        for b in map.iter().skip(index + 1) {
            assert!(apart(a.inside, a.count, b.inside, b.count), "{map:?}");
            assert!(apart(a.outside, a.count, b.outside, b.count), "{map:?}");
        }
    }
    assert_eq!(map_text(map).lines().count(), map.len());
}

fn apart(a: u32, a_count: u32, b: u32, b_count: u32) -> bool {
    let (a, b) = (u64::from(a), u64::from(b));
    a + u64::from(a_count) <= b || b + u64::from(b_count) <= a
}

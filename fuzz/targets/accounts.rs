//! The bytes of `/etc/passwd` or `/etc/group`.

#![no_main]

use caddis_policy::accounts::{Table, groups, skipped, users};
use libfuzzer_sys::fuzz_target;

/// Well-formed, with an id that no line of a fuzzer's has by accident.
const OURS: &[u8] = b"alice:x:4000000007:4000000007:\xe9:/home/alice:/bin/sh";
const ID: u32 = 4_000_000_007;

fuzz_target!(|bytes: &[u8]| {
    // A line between any others is found.
    let (before, after) = bytes.split_at(bytes.len() / 2);
    let text = [before, b"\n", OURS, b"\n", after].concat();
    let user = users(&text).find(|user| user.uid == ID && user.home == b"/home/alice");
    assert!(user.is_some_and(|user| user.name == b"alice" && user.shell == b"/bin/sh"));
    assert!(groups(&text).any(|group| group.gid == ID && group.name == b"alice"));

    for name in users(&text).map(|user| user.name).chain(groups(&text).map(|group| group.name)) {
        assert!(!name.is_empty() && !name.iter().any(|byte| b":\n\0\x1b".contains(byte)));
    }
    for table in [Table::Users, Table::Groups, Table::SubIds] {
        for line in skipped(table, &text) {
            assert!(line.to_string().bytes().all(|byte| (b' '..0x7f).contains(&byte)));
        }
    }
});

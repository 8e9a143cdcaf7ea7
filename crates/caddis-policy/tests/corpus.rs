//! Odd inputs, kept as files: policies, names, subordinate ids and lines of accounts.
//!
//! Inputs that a fuzzer finds go there, too; see [`kept`].
//! `CADDIS_BLESS=1 cargo test -p caddis-policy --test corpus` writes the messages anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kept;

use std::path::{Path, PathBuf};

use caddis_policy::accounts::{Table, groups, skipped, users};
use caddis_policy::{EnvName, Ids, id_range, parse_bytes, parse_subid};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(kind: &str) -> Vec<(String, Vec<u8>)> {
    kept::files(&corpus(), kind)
}

#[test]
fn policies() {
    kept::check(&corpus(), "policy", ".toml", |bytes| {
        let answer = parse_bytes(bytes).map(|policy| format!("{policy:?}"));
        answer.map_err(|errors| errors.to_string())
    });
}

#[test]
fn messages_are_fit_for_a_terminal() {
    for (name, bytes) in files("policy") {
        if let Err(errors) = parse_bytes(&bytes) {
            for error in &errors {
                let text = error.to_string();
                assert!(!text.contains(char::is_control), "{name}: {text:?}");
                assert!(text.len() < 1000, "{name}: {text}");
            }
        }
    }
}

#[test]
fn names() {
    let good: Vec<String> = files("names")
        .into_iter()
        .filter(|(_, bytes)| EnvName::parse(bytes).is_ok())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(good, ["digit", "good", "longest"]);
}

#[test]
fn accounts() {
    let found = |name: &str| {
        let (_, text) = files("accounts")
            .into_iter()
            .find(|(file, _)| file == name)
            .unwrap();
        let count = (users(&text).count(), groups(&text).count());
        (count, skipped(Table::Users, &text).count())
    };
    assert_eq!(found("latin-1"), ((2, 2), 0));
    assert_eq!(found("nul"), ((1, 1), 1));
    assert_eq!(found("nis-and-comments"), ((1, 1), 0));
    assert_eq!(found("crlf"), ((1, 2), 1));
    assert_eq!(found("no-end"), ((1, 1), 1));
    assert_eq!(found("odd-numbers"), ((1, 1), 4));
}

#[test]
fn subordinate_ids() {
    for (_, bytes) in files("subid") {
        let entries = parse_subid(&bytes);
        for uid in [0, 1000, 1001, 65536, u32::MAX] {
            let _ = id_range(&Ids::default(), uid, Some(b"alice"), &entries, &entries);
        }
    }
}

//! Odd inputs, kept as files: policies, names and subordinate ids.
//!
//! Inputs that a fuzzer finds go there, too; see [`kept`].
//! `CADDIS_BLESS=1 cargo test -p caddis-policy --test corpus` writes the messages anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kept;

use std::path::{Path, PathBuf};

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
fn subordinate_ids() {
    for (_, bytes) in files("subid") {
        let entries = parse_subid(&String::from_utf8_lossy(&bytes));
        for uid in [0, 1000, 1001, 65536, u32::MAX] {
            let _ = id_range(&Ids::default(), uid, Some("alice"), &entries, &entries);
        }
    }
}

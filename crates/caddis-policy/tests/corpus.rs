//! Odd inputs, kept as files: policies, names and subordinate ids.
//!
//! A policy called `ok-…` is accepted; one called `bad-…` gives the errors in
//! `corpus/messages`. Inputs that a fuzzer finds go there, too (with any other name: then only
//! that they are answered is tested). `CADDIS_BLESS=1 cargo test -p caddis-policy --test corpus`
//! writes the messages anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use caddis_policy::{EnvName, Ids, id_range, parse_bytes, parse_subid};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Name and content of every file, by name; there are always some.
fn files(kind: &str) -> Vec<(String, Vec<u8>)> {
    let directory = corpus().join(kind);
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    files
}

#[test]
fn policies() {
    let bless = std::env::var_os("CADDIS_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, bytes) in files("policy") {
        let answer = parse_bytes(&bytes)
            .map(|_| ())
            .map_err(|errors| errors.to_string());
        let message = corpus()
            .join("messages")
            .join(name.replace(".toml", ".txt"));
        match answer {
            Ok(()) if name.starts_with("bad-") => wrong.push(format!("{name} is accepted")),
            Err(text) if name.starts_with("ok-") => {
                wrong.push(format!("{name} is refused: {text}"))
            }
            Err(text) if name.starts_with("bad-") && bless => {
                fs::write(message, text + "\n").unwrap()
            }
            Err(text) if name.starts_with("bad-") => {
                let expected = fs::read_to_string(&message).unwrap_or_default();
                if expected.trim_end_matches('\n') != text {
                    wrong.push(format!("{name}: expected\n{expected}got\n{text}"));
                }
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_message_has_its_policy() {
    for (name, _) in files("messages") {
        assert!(
            corpus()
                .join("policy")
                .join(name.replace(".txt", ".toml"))
                .exists(),
            "{name}"
        );
    }
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

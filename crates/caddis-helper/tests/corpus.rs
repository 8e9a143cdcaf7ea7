//! Odd command lines, kept as files: the arguments, separated by NUL bytes.
//!
//! One called `ok-…` is understood; one called `bad-…` gives the message in `corpus/messages`. Inputs that a fuzzer
//! finds go there, too (with any other name: then only that they are answered is tested).
//! `CADDIS_BLESS=1 cargo test -p caddis-helper --test corpus` writes the messages anew; read the difference before
//! you commit it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod invariants;

use invariants::{arguments, check};
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Name and content of every file, by name; there are always some.
fn files(kind: &str) -> Vec<(String, Vec<u8>)> {
    let directory = corpus().join(kind);
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    files
}

#[test]
fn command_lines() {
    let bless = std::env::var_os("CADDIS_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, bytes) in files("arguments") {
        let answer = check(&arguments(&bytes));
        let message = corpus().join("messages").join(format!("{name}.txt"));
        match answer {
            Ok(request) if name.starts_with("bad-") => {
                wrong.push(format!("{name} is understood: {request:?}"))
            }
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
fn every_message_has_its_command_line() {
    for (name, _) in files("messages") {
        let arguments = corpus()
            .join("arguments")
            .join(name.trim_end_matches(".txt"));
        assert!(arguments.exists(), "{name}");
    }
}

//! A corpus: inputs that are kept as files in `corpus/KIND`, and in `corpus/messages` what is said about the bad ones. An
//! input called `ok-…` is accepted; one called `bad-…` gives the message of its name; of others only that they are
//! answered is tested. With `CADDIS_BLESS=1` the messages are written anew; read the difference before you commit it.

use std::fs;
use std::path::Path;

/// Name and content of every file of a kind, by name; there are always some.
pub fn files(corpus: &Path, kind: &str) -> Vec<(String, Vec<u8>)> {
    let directory = corpus.join(kind);
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

/// Compares each input's answer with what it is to be: what was understood, or why it was refused. Inputs end in
/// `ending`, their messages in `.txt` instead.
pub fn check(
    corpus: &Path,
    kind: &str,
    ending: &str,
    answer: impl Fn(&[u8]) -> Result<String, String>,
) {
    let bless = std::env::var_os("CADDIS_BLESS").is_some();
    let messages = corpus.join("messages");
    let mut wrong = Vec::new();
    for (name, bytes) in files(corpus, kind) {
        let stem = name.strip_suffix(ending).unwrap_or(&name);
        let message = messages.join(format!("{stem}.txt"));
        match answer(&bytes) {
            Ok(what) if name.starts_with("bad-") => {
                wrong.push(format!("{name} is accepted: {what}"))
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
    for (name, _) in files(corpus, "messages") {
        let input = name.replace(".txt", ending);
        assert!(corpus.join(kind).join(input).exists(), "{name}");
    }
}

//! What holds for every command line that a caller can think of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod invariants;
mod strategies;

use caddis_helper::arguments::{Request, Session, Verb, parse};
use caddis_policy::EnvName;
use invariants::{arguments, check, said};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, PathBuf};
use strategies::{OPTIONS, WORDS, any_word, line, name, path, request, session, verb, word};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words_are_understood_or_refused(words in vec(word(), 0..12)) {
        let _ = check(&words);
    }

    #[test]
    fn any_bytes_are_understood_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = check(&arguments(&bytes));
    }

    #[test]
    fn every_request_can_be_made(request in request()) {
        prop_assert_eq!(check(&said(&request)), Ok(request));
    }

    #[test]
    fn a_changed_line_is_understood_or_refused(
        mut words in line(),
        at: Index,
        put in vec(word(), 0..3),
        drop in 0..3_usize,
    ) {
        let at = at.index(words.len());
        let end = (at + drop).min(words.len());
        words.splice(at..end, put);
        let _ = check(&words);
    }

    /// Whatever comes after the first `--` is the command's: none of it changes anything else.
    #[test]
    fn what_follows_two_dashes_belongs_to_the_command(session in session(), command in vec(word(), 0..9)) {
        let Verb::Session(session) = session else { unreachable!() };
        let request = |command: Vec<OsString>| Request {
            verb: Verb::Session(Session { command, ..session.clone() }),
            target: None,
            login: None,
            everybody: false,
        };
        let mut words = said(&request(Vec::new()));
        words.extend(command.iter().cloned());
        prop_assert_eq!(parse(words).unwrap(), request(command));
    }

    /// Every operand of `diff` is a path from the top that does not lead back.
    #[test]
    fn paths_to_compare_are_plain_or_refused(paths in vec(prop_oneof![path().prop_map(OsString::from), word()], 0..4)) {
        let plain = |word: &OsString| {
            let path = PathBuf::from(word);
            path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
        };
        let words = ["diff", "--"].map(OsString::from).into_iter().chain(paths.iter().cloned());
        prop_assert_eq!(check(&words.collect::<Vec<_>>()).is_ok(), paths.iter().all(plain));
    }

    /// No verb but `session` has a command, and none but `diff` and `revert` paths.
    #[test]
    fn two_dashes_are_refused_elsewhere(verb in verb(), at: Index) {
        // Where it is no option's value.
        if matches!(verb.0, Verb::Session(_) | Verb::Diff(_) | Verb::Revert(_) | Verb::New { from: Some(_), .. }) {
            return Ok(());
        }
        let mut words = said(&Request { verb: verb.0, target: None, login: None, everybody: verb.1 });
        let at = 1 + at.index(words.len());
        words.insert(at, "--".into());
        prop_assert!(check(&words).is_err(), "{:?}", words);
    }

    /// An option of another verb, or one that is none, is refused wherever an option may stand.
    #[test]
    fn an_option_that_is_not_the_verbs_own_is_refused(
        verb in select(&WORDS[..9]),
        option in prop_oneof![select(OPTIONS).prop_map(str::to_owned), "-[-a-z]{1,9}(=[a-z]{0,3})?"],
        value in select(vec!["x", "/x", "root", "1", "1000:1000"]),
    ) {
        let own: &[&str] = match verb {
            "session" => &["--env", "--as", "--home", "--shell", "--cwd", "--ctty", "--stack", "--dry-run", "--try", "--login", "--files", "--"],
            "try" => &["--check", "--keep", "--discard"],
            "new" => &["--from"],
            "diff" => &["--env", "--content", "--try", "--"],
            "remove" => &["--force"],
            "list" | "ps" => &["--all"],
            "stop" => &["--all", "--every"],
            "revert" => &["--env", "--dry-run", "--every", "--most", "--"],
            "packages" => &["--status"],
            "config" => &["--own", "--which"],
            _ => &[],
        };
        if own.contains(&option.as_str()) || option == "--for" || option == "--name" {
            return Ok(());
        }
        let option = option.as_str();
        for words in [vec![verb, option], vec![verb, option, value], vec![verb, "x", option, value]] {
            let error = check(&words.iter().map(OsString::from).collect::<Vec<_>>()).unwrap_err();
            prop_assert!(error.starts_with(&format!("{verb} has no option ")), "{}", error);
        }
    }

    /// The last one of several counts, and an option changes nothing but what it is for.
    #[test]
    fn an_option_can_be_repeated(session in session(), first in name(), second in name()) {
        let Verb::Session(session) = session else { unreachable!() };
        let twice = ["session", "--env", first.as_str(), "--env", second.as_str()];
        let mut words: Vec<OsString> = twice.map(Into::into).into();
        let named = |name: &EnvName| Request {
            verb: Verb::Session(Session { name: Some(name.clone()), ..session.clone() }),
            target: None,
            login: None,
            everybody: false,
        };
        let unnamed = Session { name: None, ..session.clone() };
        let rest = said(&Request { verb: Verb::Session(unnamed), ..named(&first) });
        words.extend(rest.into_iter().skip(1));
        prop_assert_eq!(parse(words).unwrap(), named(&second));
    }

    #[test]
    fn names_are_valid_or_refused(name in any_word()) {
        let places: [&[&str]; 8] =
            [&["try", "--keep"], &["new"], &["new", "x", "--from"], &["remove", "x"], &["ps"], &["stop"], &["config"], &["session", "--env"]];
        for before in places {
            let words: Vec<OsString> = before.iter().map(OsString::from).chain([name.clone()]).collect();
            let valid = EnvName::parse(name.as_encoded_bytes()).is_ok();
            prop_assert_eq!(check(&words).is_ok(), valid, "{:?}", words);
        }
    }

    #[test]
    fn paths_are_absolute_or_refused(path in any_word(), length in 1..9000_usize) {
        for option in ["--home", "--cwd", "--shell"] {
            let line = |path: OsString| check(&["session".into(), option.into(), path]);
            prop_assert_eq!(line(path.clone()).is_ok(), path.as_encoded_bytes().starts_with(b"/"));
            prop_assert_eq!(line("/".repeat(length).into()).is_ok(), length < 4096);
        }
    }

    #[test]
    fn files_are_few_or_refused(number in prop_oneof![0..20_u64, any::<u64>()]) {
        let words = ["session", "--files", &number.to_string()].map(OsString::from);
        prop_assert_eq!(check(&words).is_ok(), number <= 8);
    }

    /// However long or strange a word is, what is said about it is short.
    #[test]
    fn messages_are_short(piece in word(), times in 1..20_000_usize, at in 0..3_usize) {
        let long = piece.as_encoded_bytes().repeat(times);
        let long = OsString::from_vec(long.into_iter().take(1 << 17).collect());
        let mut words: Vec<OsString> = ["session", "--as", "root"].map(Into::into).into();
        words[at] = long;
        let _ = check(&words);
        words.insert(1, "--for".into());
        let _ = check(&words);
    }
}

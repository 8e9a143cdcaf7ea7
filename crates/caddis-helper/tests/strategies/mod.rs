//! Words, requests and command lines of every kind, for properties that hold for all of them.

use crate::invariants::said;
use caddis_helper::arguments::{Diff, Request, Revert, Role, Session, Setting, Target, Verb, Word};
use caddis_policy::EnvName;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, PathBuf};

/// All words that mean something, and some that nearly do.
pub const WORDS: &[&str] = &[
    "session",
    "new",
    "remove",
    "list",
    "ps",
    "stop",
    "config",
    "diff",
    "try",
    "packages",
    "check",
    "revert",
    "--for",
    "--name",
    "--",
    "-",
    "",
    "---",
    "-e",
    "--e",
    "--env=x",
    "--all=",
    "--ALL",
    " --all",
    "--all ",
    "default",
    "a.b",
    ".x",
    "..",
    "a/b",
    "user",
    "root",
    "login",
    "Root",
    "/",
    "/home/alice",
    "home",
    "0",
    "1000:1000",
    "1000:1000,27",
    "0:0",
    ":",
    "1:",
    "-1:0",
    "+1:+2",
    "4294967295:0",
    "0:4294967295",
    "4294967296:1",
    "8",
    "9",
    "256",
    "8388608",
    "18446744073709551615",
    "18446744073709551616",
    "hostname=x",
    "=",
    "login=",
    "ä",
    "\u{202e}",
    "\u{1b}[31m",
    "\n",
];

pub const OPTIONS: &[&str] = &[
    "--env",
    "--as",
    "--home",
    "--shell",
    "--cwd",
    "--ctty",
    "--stack",
    "--dry-run",
    "--try",
    "--keep",
    "--discard",
    "--from",
    "--force",
    "--all",
    "--every",
    "--content",
    "--check",
    "--most",
    "--status",
    "--login",
    "--files",
    "--own",
    "--which",
];

/// Any argument that the kernel hands over: bytes without a NUL.
pub fn any_word() -> impl Strategy<Value = OsString> {
    vec(1..=u8::MAX, 0..60).prop_map(OsString::from_vec)
}

pub fn word() -> impl Strategy<Value = OsString> {
    prop_oneof![
        8 => select([WORDS, OPTIONS].concat()).prop_map(OsString::from),
        1 => any_word(),
        1 => text().prop_map(OsString::from),
    ]
}

pub fn name() -> impl Strategy<Value = EnvName> {
    "[A-Za-z0-9][A-Za-z0-9._-]{0,63}".prop_map(|name| EnvName::parse(name.as_bytes()).unwrap())
}

pub fn path() -> impl Strategy<Value = PathBuf> {
    vec(1..=u8::MAX, 0..60)
        .prop_map(|rest| OsString::from_vec([b"/", rest.as_slice()].concat()).into())
}

pub fn id() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1000..1003_u32, 0..u32::MAX]
}

pub fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', ""))
}

pub fn session() -> impl Strategy<Value = Verb> {
    let paths = (option::of(path()), option::of(path()), option::of(path()));
    let rest = (
        any::<bool>(),
        option::of(any::<u64>()),
        any::<[bool; 3]>(),
        0..=8_u8,
        vec(word(), 0..6),
    );
    let role = select(vec![Role::User, Role::Root, Role::Login]);
    (option::of(name()), role, paths, rest).prop_map(
        |(
            name,
            who,
            (home, shell, directory),
            (own_terminal, stack, [dry_run, trial, login], files, command),
        )| {
            let shell = shell.map(PathBuf::into_os_string);
            Verb::Session(Session {
                name,
                who,
                home,
                shell,
                directory,
                own_terminal,
                stack,
                dry_run,
                trial,
                login,
                files,
                command,
            })
        },
    )
}

pub fn revert() -> impl Strategy<Value = Verb> {
    let paths = option::of(vec(path(), 1..4));
    let rest = (any::<bool>(), option::of(any::<u64>()));
    (option::of(name()), rest, paths).prop_map(|(name, (dry_run, most), paths)| {
        Verb::Revert(Revert {
            name,
            dry_run,
            most,
            paths,
        })
    })
}

pub fn config() -> impl Strategy<Value = Verb> {
    let setting = (text(), option::of(option::of(text()))).prop_map(|(key, value)| {
        let key = key.replace('=', "");
        match value {
            // A word that begins with a dash would be an option.
            None => Setting::ShowAll,
            Some(None) => Setting::Show(key.trim_start_matches('-').to_owned()),
            Some(Some(value)) => Setting::Change(key.trim_start_matches('-').to_owned(), value),
        }
    });
    (option::of(name()), setting).prop_map(|(name, setting)| match name {
        Some(name) => Verb::Config { name, setting },
        None => Verb::Own { setting },
    })
}

/// A path without a way back.
pub fn plain_path() -> impl Strategy<Value = PathBuf> {
    path().prop_filter("no way back", |path| {
        !path.components().any(|part| part == Component::ParentDir)
    })
}

pub fn diff() -> impl Strategy<Value = Verb> {
    let flags = any::<(bool, bool)>();
    (option::of(name()), flags, vec(plain_path(), 0..4)).prop_map(
        |(name, (content, trial), paths)| {
            Verb::Diff(Diff {
                name,
                content,
                trial,
                paths,
            })
        },
    )
}

/// Any request that can be made, and whether it is for everybody.
pub fn verb() -> impl Strategy<Value = (Verb, bool)> {
    let only_own = prop_oneof![
        3 => session(),
        1 => (name(), option::of(name())).prop_map(|(name, from)| Verb::New { name, from }),
        1 => (vec(name(), 1..4), any::<bool>()).prop_map(|(names, force)| Verb::Remove { names, force }),
        1 => config(),
        1 => diff(),
        1 => (name(), select(vec![Word::Check, Word::Keep, Word::Discard]))
            .prop_map(|(name, word)| Verb::Try { name, word }),
        1 => revert(),
        1 => Just(Verb::Check),
        1 => Just(Verb::Which),
        1 => (name(), any::<bool>()).prop_map(|(name, status)| Verb::Packages { name, status }),
        1 => option::of(name()).prop_map(|name| Verb::Stop { name }),
    ];
    let everybodys = prop_oneof![
        Just(Verb::List),
        option::of(name()).prop_map(|name| Verb::Ps { name }),
        Just(Verb::StopEvery),
    ];
    prop_oneof![
        only_own.prop_map(|verb| (verb, false)),
        (everybodys, any::<bool>())
    ]
}

pub fn request() -> impl Strategy<Value = Request> {
    let target = (id(), vec(id(), 1..4)).prop_map(|(uid, gids)| Target { uid, gids });
    (
        verb(),
        option::of(target),
        option::of(vec(1..=255_u8, 0..9)),
    )
        .prop_map(|((verb, everybody), target, login)| Request {
            verb,
            target,
            login,
            everybody,
        })
}

/// A command line that is right, for what can be done to it.
pub fn line() -> impl Strategy<Value = Vec<OsString>> {
    request().prop_map(|request| said(&request))
}

//! What holds for every command line, whatever it is: used by the ordinary tests and by the fuzz target. It reads
//! the words a second time, by a table of its own, and says what the parser must have made of them.

mod said;

pub use said::said;

use caddis_helper::arguments::{Request, Revert, Setting, Target, Verb, Word, parse};
use caddis_policy::EnvName;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// A verb: options with a value, options without one, and how many operands at least and at most.
type Grammar = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    usize,
    usize,
);

const VERBS: [Grammar; 12] = [
    (
        "session",
        &[
            "--env", "--as", "--home", "--shell", "--cwd", "--stack", "--files",
        ],
        &["--ctty", "--dry-run", "--try", "--login"],
        0,
        0,
    ),
    ("new", &["--from"], &[], 1, 1),
    ("remove", &[], &["--force"], 1, usize::MAX),
    ("list", &[], &["--all"], 0, 0),
    ("ps", &[], &["--all"], 0, 1),
    ("stop", &[], &["--every", "--all"], 0, 1),
    ("config", &[], &["--own", "--which"], 0, 2),
    ("diff", &["--env"], &["--content", "--try"], 0, 0),
    ("try", &[], &["--check", "--keep", "--discard"], 1, 1),
    ("packages", &[], &["--status"], 1, 1),
    ("check", &[], &[], 0, 0),
    (
        "revert",
        &["--env", "--most"],
        &["--dry-run", "--every"],
        0,
        0,
    ),
];

/// Options that every verb has; what they ask for is root's to grant.
const FOR_ROOT: [&str; 2] = ["--for", "--name"];

/// A command line taken apart in the simplest way.
pub struct Words {
    verb: String,
    valued: Vec<(String, OsString)>,
    flags: Vec<String>,
    operands: Vec<OsString>,
    command: Vec<OsString>,
}

impl Words {
    /// `None`: no verb has these words.
    pub fn of(arguments: &[OsString]) -> Option<Words> {
        let (verb, rest) = arguments.split_first()?;
        let (verb, valued, flags, least, most) = *VERBS
            .iter()
            .find(|(known, ..)| verb.as_bytes() == known.as_bytes())?;
        let mut words = Words {
            verb: verb.to_owned(),
            valued: Vec::new(),
            flags: Vec::new(),
            operands: Vec::new(),
            command: Vec::new(),
        };
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            if ["session", "diff", "revert"].contains(&verb) && word == "--" {
                words.command = rest.cloned().collect();
                break;
            }
            match word.to_str() {
                Some(option) if valued.contains(&option) || FOR_ROOT.contains(&option) => {
                    words.valued.push((option.to_owned(), rest.next()?.clone()));
                }
                Some(option) if flags.contains(&option) => words.flags.push(option.to_owned()),
                _ if word.as_bytes().starts_with(b"-") => return None,
                _ => words.operands.push(word.clone()),
            }
        }
        (least..=most)
            .contains(&words.operands.len())
            .then_some(words)
    }

    /// The value of an option, the last one of several.
    fn value(&self, option: &str) -> Option<&OsString> {
        self.valued
            .iter()
            .rev()
            .find(|(name, _)| name == option)
            .map(|(_, value)| value)
    }

    fn flag(&self, option: &str) -> bool {
        self.flags.iter().any(|flag| flag == option)
    }
}

/// Parses `arguments` and checks the answer; panics where it is wrong.
#[allow(clippy::panic)]
pub fn check(arguments: &[OsString]) -> Result<Request, String> {
    let words = Words::of(arguments);
    match parse(arguments.to_vec()) {
        Ok(request) => {
            let Some(words) = words else {
                panic!("taken, though no verb has these words: {arguments:?}");
            };
            check_request(&request, &words);
            // What is understood can be said again, and means the same.
            assert_eq!(parse(said(&request)).as_ref(), Ok(&request));
            Ok(request)
        }
        Err(error) => {
            let text = error.to_string();
            check_message(&text);
            Err(text)
        }
    }
}

fn check_message(text: &str) {
    assert!(
        !text.is_empty() && text.len() < 4096,
        "{} bytes",
        text.len()
    );
    // One line, and nothing that changes how the rest of it is shown: no control characters, no marks that turn
    // the direction of writing round, no line ends of Unicode's own.
    let disturbs = |one: char| {
        one.is_control()
            || matches!(one, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    assert!(!text.contains(disturbs), "{text:?}");
}

fn check_request(request: &Request, words: &Words) {
    // Asked for and written down; nobody has looked at who asks.
    assert_eq!(request.everybody, words.flag("--all"));
    assert_eq!(
        request.login.clone().map(OsString::from_vec).as_ref(),
        words.value("--name")
    );
    let target = words
        .value("--for")
        .map(|text| text.to_string_lossy().into_owned());
    assert_eq!(
        request.target.as_ref().map(|target| target.uid),
        target.as_ref().map(|text| number(text.split(':').next()))
    );
    if let (Some(Target { uid, gids }), Some(text)) = (&request.target, &target) {
        let numbers: Vec<u32> = text
            .split([':', ','])
            .map(|one| number(Some(one)))
            .collect();
        assert_eq!([&[*uid], gids.as_slice()].concat(), numbers);
        assert!(!numbers.contains(&u32::MAX) && !gids.is_empty());
    }
    let operands: Vec<&[u8]> = words
        .operands
        .iter()
        .map(|operand| operand.as_bytes())
        .collect();
    let names = |names: &[&EnvName]| {
        for name in names {
            assert!(EnvName::parse(name.as_str().as_bytes()).is_ok());
        }
        names
            .iter()
            .map(|name| name.as_str().as_bytes().to_vec())
            .collect::<Vec<_>>()
    };
    let verb = match &request.verb {
        Verb::Session(session) => {
            assert_eq!(session.command, words.command);
            assert_eq!(
                names(&session.name.iter().collect::<Vec<_>>()),
                bytes(words.value("--env"))
            );
            for (path, option) in [
                (session.home.as_deref(), "--home"),
                (session.directory.as_deref(), "--cwd"),
                (session.shell.as_deref().map(Path::new), "--shell"),
            ] {
                assert_eq!(
                    path.map(Path::as_os_str),
                    words.value(option).map(OsString::as_os_str)
                );
                assert!(
                    path.is_none_or(|path| path.is_absolute() && path.as_os_str().len() < 4096)
                );
            }
            let role = words
                .value("--as")
                .map_or("user".into(), |role| role.to_string_lossy());
            assert_eq!(format!("{:?}", session.who).to_lowercase(), role);
            let stack = words
                .value("--stack")
                .map(|bytes| bytes.to_string_lossy().parse());
            assert_eq!(session.stack.map(Ok), stack);
            assert_eq!(
                (session.own_terminal, session.dry_run, session.trial),
                (
                    words.flag("--ctty"),
                    words.flag("--dry-run"),
                    words.flag("--try")
                )
            );
            "session"
        }
        Verb::New { name, from } => {
            assert_eq!(names(&[name]), operands);
            assert_eq!(
                names(&from.iter().collect::<Vec<_>>()),
                bytes(words.value("--from"))
            );
            "new"
        }
        Verb::Remove {
            names: removed,
            force,
        } => {
            assert_eq!(names(&removed.iter().collect::<Vec<_>>()), operands);
            assert_eq!(*force, words.flag("--force"));
            "remove"
        }
        Verb::Ps { name } => {
            assert_eq!(names(&name.iter().collect::<Vec<_>>()), operands);
            "ps"
        }
        Verb::Stop { name } => {
            assert_eq!(names(&name.iter().collect::<Vec<_>>()), operands);
            assert!(!words.flag("--every") && !words.flag("--all"));
            "stop"
        }
        Verb::StopEvery => {
            assert!(operands.is_empty());
            assert!(words.flag("--every") || words.flag("--all"));
            "stop"
        }
        Verb::Config { name, setting } => {
            assert_eq!(names(&[name]), operands[..1]);
            assert_eq!(said_of(setting).as_deref(), operands.get(1).copied());
            assert!(!words.flag("--own") && !words.flag("--which"));
            "config"
        }
        Verb::Own { setting } => {
            assert_eq!(said_of(setting).as_deref(), operands.first().copied());
            assert!(operands.len() < 2 && words.flag("--own") && !words.flag("--which"));
            "config"
        }
        Verb::Which => {
            assert!(operands.is_empty() && words.flag("--which") && !words.flag("--own"));
            "config"
        }
        Verb::Diff(diff) => {
            assert_eq!(
                names(&diff.name.iter().collect::<Vec<_>>()),
                bytes(words.value("--env"))
            );
            assert_eq!(diff.content, words.flag("--content"));
            assert_eq!(diff.trial, words.flag("--try"));
            assert_eq!(diff.paths, words.command);
            for path in &diff.paths {
                assert!(path.is_absolute() && path.as_os_str().len() < 4096);
                assert!(path.components().all(|part| part.as_os_str() != ".."));
            }
            "diff"
        }
        Verb::Try { name, word } => {
            assert_eq!(names(&[name]), operands);
            assert_eq!(Some(&option_of(*word)), words.flags.last());
            "try"
        }
        Verb::Packages { name, status } => {
            assert_eq!(names(&[name]), operands);
            assert_eq!(*status, words.flag("--status"));
            "packages"
        }
        Verb::List => "list",
        Verb::Check => "check",
        Verb::Revert(Revert {
            name,
            dry_run,
            most,
            paths,
        }) => {
            let said = words
                .value("--most")
                .map(|files| files.to_string_lossy().parse());
            assert_eq!(most.map(Ok), said);
            assert_eq!(
                names(&name.iter().collect::<Vec<_>>()),
                bytes(words.value("--env"))
            );
            assert_eq!(*dry_run, words.flag("--dry-run"));
            assert_eq!(paths.is_none(), words.flag("--every"));
            let paths = paths.clone().unwrap_or_default();
            assert_eq!(
                paths.iter().map(OsString::from).collect::<Vec<_>>(),
                words.command
            );
            let absolute =
                |path: &std::path::PathBuf| path.is_absolute() && path.as_os_str().len() < 4096;
            assert!(paths.iter().all(absolute));
            "revert"
        }
    };
    assert_eq!(verb, words.verb);
}

fn said_of(setting: &Setting) -> Option<Vec<u8>> {
    match setting {
        Setting::ShowAll => None,
        Setting::Show(key) => Some(key.clone().into_bytes()),
        Setting::Change(key, value) => Some(format!("{key}={value}").into_bytes()),
    }
}

fn bytes(value: Option<&OsString>) -> Vec<Vec<u8>> {
    value
        .iter()
        .map(|value| value.as_bytes().to_vec())
        .collect()
}

/// A number as the kernel counts users; what is none is no id that a request may have.
fn number(text: Option<&str>) -> u32 {
    text.and_then(|text| text.parse().ok()).unwrap_or(u32::MAX)
}

fn option_of(word: Word) -> String {
    format!("--{word:?}").to_lowercase()
}

/// The arguments that a file of the corpus holds, and a fuzzer's bytes: separated by NUL bytes, which no argument
/// can hold. Nothing at all is no argument.
pub fn arguments(bytes: &[u8]) -> Vec<OsString> {
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|byte| *byte == 0)
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect()
}

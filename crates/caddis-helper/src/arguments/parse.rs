//! From the words of the command line to a request.

use super::request::{Diff, Request, Revert, Role, Session, Setting, Target, Verb, Word};
use super::value::{
    ArgumentError, files, name, number, path, plain_path, role, setting, target, text, wrong,
};
use crate::output::quoted;
use caddis_policy::EnvName;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The options and operands before `--`, and what is after it, while they are taken apart.
#[derive(Default)]
struct Parts {
    env: Option<EnvName>,
    role: Option<Role>,
    home: Option<PathBuf>,
    shell: Option<OsString>,
    directory: Option<PathBuf>,
    login: Option<Vec<u8>>,
    target: Option<Target>,
    from: Option<EnvName>,
    force: bool,
    own: bool,
    which: bool,
    every: bool,
    everybody: bool,
    own_terminal: bool,
    stack: Option<u64>,
    dry_run: bool,
    content: bool,
    trial: bool,
    is_login: bool,
    files: u8,
    word: Option<Word>,
    most: Option<u64>,
    status: bool,
    operands: Vec<OsString>,
    command: Vec<OsString>,
}

/// What may follow a verb; `--for` and `--name` may follow each.
#[derive(Debug)]
pub struct Form {
    /// The verb.
    pub verb: &'static str,
    /// Its own options.
    pub options: &'static [&'static str],
    /// How many operands there may be.
    pub operands: RangeInclusive<usize>,
}

const fn form(
    verb: &'static str,
    options: &'static [&'static str],
    operands: RangeInclusive<usize>,
) -> Form {
    Form {
        verb,
        options,
        operands,
    }
}

/// All verbs.
pub const VERBS: [Form; 12] = [
    form(
        "session",
        &[
            "--env",
            "--as",
            "--home",
            "--shell",
            "--cwd",
            "--ctty",
            "--stack",
            "--dry-run",
            "--try",
            "--login",
            "--files",
        ],
        0..=0,
    ),
    form("new", &["--from"], 1..=1),
    form("remove", &["--force"], 1..=usize::MAX),
    form("list", &["--all"], 0..=0),
    form("ps", &["--all"], 0..=1),
    form("stop", &["--every", "--all"], 0..=1),
    form("config", &["--own", "--which"], 0..=2),
    form("diff", &["--env", "--content", "--try"], 0..=0),
    form("try", &["--check", "--keep", "--discard"], 1..=1),
    form("packages", &["--status"], 1..=1),
    form("check", &[], 0..=0),
    form(
        "revert",
        &["--env", "--dry-run", "--every", "--most"],
        0..=0,
    ),
];

/// Takes the command line (without the program's name) apart.
pub fn parse(arguments: Vec<OsString>) -> Result<Request, ArgumentError> {
    let mut arguments = arguments.into_iter();
    let verb = text(arguments.next().ok_or_else(|| wrong("no verb is given"))?)?;
    let form = VERBS.iter().find(|form| form.verb == verb);
    let Form {
        options, operands, ..
    } = form.ok_or_else(|| wrong(format!("there is no verb {}", quoted(&verb))))?;
    let mut parts = Parts::default();
    while let Some(argument) = arguments.next() {
        if argument == "--" && ["session", "diff", "revert"].contains(&verb.as_str()) {
            parts.command = arguments.by_ref().collect();
            break;
        }
        if !argument.as_bytes().starts_with(b"-") {
            parts.operands.push(argument);
            continue;
        }
        let option = text(argument)?;
        if !options.contains(&option.as_str()) && option != "--for" && option != "--name" {
            return Err(wrong(format!("{verb} has no option {}", quoted(option))));
        }
        parts.option(&option, &mut arguments)?;
    }
    if !operands.contains(&parts.operands.len()) {
        return Err(wrong(format!("{verb} takes another number of operands")));
    }
    parts.request(&verb)
}

impl Parts {
    fn option(
        &mut self,
        option: &str,
        arguments: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), ArgumentError> {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| wrong(format!("{option} needs a value")))
        };
        match option {
            "--env" => self.env = Some(name(value()?)?),
            "--from" => self.from = Some(name(value()?)?),
            "--as" => self.role = Some(role(&text(value()?)?)?),
            "--home" => self.home = Some(path(option, value()?)?),
            "--cwd" => self.directory = Some(path(option, value()?)?),
            "--shell" => self.shell = Some(path(option, value()?)?.into_os_string()),
            "--name" => self.login = Some(value()?.into_vec()),
            "--for" => self.target = Some(target(&text(value()?)?)?),
            "--own" => self.own = true,
            "--which" => self.which = true,
            "--force" => self.force = true,
            "--every" => self.every = true,
            "--status" => self.status = true,
            "--all" => self.everybody = true,
            "--ctty" => self.own_terminal = true,
            "--content" => self.content = true,
            "--try" => self.trial = true,
            "--check" => self.word = Some(Word::Check),
            "--keep" => self.word = Some(Word::Keep),
            "--discard" => self.word = Some(Word::Discard),
            "--login" => self.is_login = true,
            "--files" => self.files = files(value()?)?,
            "--stack" => self.stack = Some(number(option, "bytes", value()?)?),
            "--most" => self.most = Some(number(option, "files", value()?)?),
            _ => self.dry_run = true,
        }
        Ok(())
    }

    fn request(mut self, verb: &str) -> Result<Request, ArgumentError> {
        let mut operands = std::mem::take(&mut self.operands).into_iter();
        let mut one = || operands.next().map(name).transpose();
        let required = |name: Option<EnvName>| name.ok_or_else(|| wrong("no name is given"));
        let verb = match verb {
            "session" => Verb::Session(Session {
                name: self.env,
                who: self.role.unwrap_or(Role::User),
                home: self.home,
                shell: self.shell,
                directory: self.directory,
                own_terminal: self.own_terminal,
                stack: self.stack,
                dry_run: self.dry_run,
                trial: self.trial,
                login: self.is_login,
                files: self.files,
                command: self.command,
            }),
            "new" => Verb::New {
                name: required(one()?)?,
                from: self.from,
            },
            "remove" => Verb::Remove {
                names: operands.map(name).collect::<Result<_, _>>()?,
                force: self.force,
            },
            "list" => Verb::List,
            "ps" => Verb::Ps { name: one()? },
            "stop" => {
                let name = one()?;
                match self.every || self.everybody {
                    true if name.is_some() => {
                        return Err(wrong("stop takes a name, or --every or --all"));
                    }
                    true => Verb::StopEvery,
                    false => Verb::Stop { name },
                }
            }
            "config" => {
                let (own, which) = (self.own, self.which);
                let most = if which { 0 } else { 2 - usize::from(own) };
                if operands.len() > most || own && which {
                    return Err(wrong(
                        "config takes a name, --own or --which, then a setting",
                    ));
                }
                let name = match own || which {
                    true => None,
                    false => Some(required(operands.next().map(name).transpose()?)?),
                };
                let setting = operands.next().map_or(Ok(Setting::ShowAll), setting)?;
                match name {
                    Some(name) => Verb::Config { name, setting },
                    None if which => Verb::Which,
                    None => Verb::Own { setting },
                }
            }
            "diff" => Verb::Diff(Diff {
                name: self.env,
                content: self.content,
                trial: self.trial,
                paths: self
                    .command
                    .into_iter()
                    .map(plain_path)
                    .collect::<Result<_, _>>()?,
            }),
            "try" => Verb::Try {
                name: required(one()?)?,
                word: self
                    .word
                    .ok_or_else(|| wrong("try needs --check, --keep or --discard"))?,
            },
            "revert" => {
                if self.command.is_empty() != self.every {
                    return Err(wrong("revert needs paths or --every"));
                }
                let paths = self.command.into_iter().map(|one| path("revert", one));
                let paths = paths.collect::<Result<Vec<_>, _>>()?;
                Verb::Revert(Revert {
                    name: self.env,
                    dry_run: self.dry_run,
                    most: self.most,
                    paths: (!self.every).then_some(paths),
                })
            }
            "packages" => Verb::Packages {
                name: required(one()?)?,
                status: self.status,
            },
            _ => Verb::Check,
        };
        Ok(Request {
            verb,
            target: self.target,
            login: self.login,
            everybody: self.everybody,
        })
    }
}

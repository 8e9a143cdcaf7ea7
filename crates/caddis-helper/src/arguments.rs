//! The request, as the command line gives it. Pure, and the only thing of the caller's that is parsed.

use crate::output::quoted;
use caddis_policy::EnvName;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, PathBuf};

/// What is asked, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// `--for`: for this user, asked by root.
    pub target: Option<Target>,
    /// `--name`: the user's login name, believed only if root says so.
    pub login: Option<String>,
    /// `--all`: for every user, asked by root.
    pub everybody: bool,
}

/// A user in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The user.
    pub uid: u32,
    /// The groups; the first one is the primary one.
    pub gids: Vec<u32>,
}

/// The verbs, one for each thing that needs root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Run a command in an environment.
    Session(Session),
    /// Make an environment, or a copy of one.
    New {
        /// Its name.
        name: EnvName,
        /// The one to copy.
        from: Option<EnvName>,
    },
    /// Remove environments.
    Remove {
        /// Their names.
        names: Vec<EnvName>,
        /// Also with sessions in them.
        force: bool,
    },
    /// List environments.
    List,
    /// List processes.
    Ps {
        /// Of this environment only.
        name: Option<EnvName>,
    },
    /// End an environment's processes.
    Stop {
        /// Which; `None`: every one.
        name: Option<EnvName>,
    },
    /// Show or change settings.
    Config {
        /// Of which environment.
        name: EnvName,
        /// What to show or change.
        setting: Setting,
    },
    /// Tell what was changed in an environment.
    Diff(Diff),
    /// Decide about the try of an environment.
    Try {
        /// Of which environment.
        name: EnvName,
        /// What to do with it.
        word: Word,
    },
    /// Tell of an environment's packages.
    Packages {
        /// Which environment.
        name: EnvName,
        /// Its package database itself, not what there is to say of it.
        status: bool,
    },
    /// Check the host.
    Check,
    /// Give up changes.
    Revert(Revert),
}

/// The changes to give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert {
    /// The environment; `None`: "default".
    pub name: Option<EnvName>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// How many files may be lost: so many were there when the user was asked.
    pub most: Option<u64>,
    /// The paths, as they are named inside; `None`: everything.
    pub paths: Option<Vec<PathBuf>>,
}

/// Which changes to tell, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The environment; `None`: "default".
    pub name: Option<EnvName>,
    /// Also what is in files.
    pub content: bool,
    /// Of its try, against the environment.
    pub trial: bool,
    /// Only there; nowhere in particular if empty.
    pub paths: Vec<PathBuf>,
}

/// A session to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The environment; `None`: the one we are in, or else "default".
    pub name: Option<EnvName>,
    /// As whom.
    pub who: Role,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The user's login shell.
    pub shell: Option<OsString>,
    /// Where to start.
    pub directory: Option<PathBuf>,
    /// Give the command a terminal session of its own.
    pub own_terminal: bool,
    /// The caller's soft limit of the stack in bytes, which the kernel lowers for a setuid program.
    pub stack: Option<u64>,
    /// Only print the plan.
    pub dry_run: bool,
    /// What is changed goes into a try, to be decided upon.
    pub trial: bool,
    /// The command; empty: a login shell.
    pub command: Vec<OsString>,
}

/// As whom a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The user.
    User,
    /// Container root.
    Root,
    /// Whom the environment's settings name.
    Login,
}

/// What is to become of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Nothing yet: is there one to decide on, and may the caller?
    Check,
    /// Its changes become the environment's.
    Keep,
    /// They are thrown away.
    Discard,
}

/// What `config` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// All of them.
    ShowAll,
    /// One.
    Show(String),
    /// Change one; an empty value unsets it.
    Change(String, String),
}

/// Why a request could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError(String);

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The options and operands before `--`, and what is after it, while they are taken apart.
#[derive(Default)]
struct Parts {
    env: Option<EnvName>,
    role: Option<Role>,
    home: Option<PathBuf>,
    shell: Option<OsString>,
    directory: Option<PathBuf>,
    login: Option<String>,
    target: Option<Target>,
    from: Option<EnvName>,
    force: bool,
    every: bool,
    everybody: bool,
    own_terminal: bool,
    stack: Option<u64>,
    dry_run: bool,
    content: bool,
    trial: bool,
    word: Option<Word>,
    most: Option<u64>,
    status: bool,
    operands: Vec<OsString>,
    command: Vec<OsString>,
}

/// Takes the command line (without the program's name) apart.
pub fn parse(arguments: Vec<OsString>) -> Result<Request, ArgumentError> {
    let mut arguments = arguments.into_iter();
    let verb = text(arguments.next().ok_or_else(|| wrong("no verb is given"))?)?;
    let (allowed, operands): (&[&str], _) = match verb.as_str() {
        "session" => (
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
            ],
            0..=0,
        ),
        "new" => (&["--from"], 1..=1),
        "remove" => (&["--force"], 1..=usize::MAX),
        "list" => (&["--all"], 0..=0),
        "ps" => (&["--all"], 0..=1),
        "stop" => (&["--every", "--all"], 0..=1),
        "config" => (&[], 1..=2),
        "diff" => (&["--env", "--content", "--try"], 0..=0),
        "try" => (&["--check", "--keep", "--discard"], 1..=1),
        "packages" => (&["--status"], 1..=1),
        "check" => (&[], 0..=0),
        "revert" => (&["--env", "--dry-run", "--every", "--most"], 0..=0),
        other => return Err(wrong(format!("there is no verb {}", quoted(other)))),
    };
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
        if !allowed.contains(&option.as_str()) && option != "--for" && option != "--name" {
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
            "--as" => {
                self.role = Some(match text(value()?)?.as_str() {
                    "user" => Role::User,
                    "root" => Role::Root,
                    "login" => Role::Login,
                    other => {
                        let reason = format!("--as {}: user, root or login", quoted(other));
                        return Err(wrong(reason));
                    }
                });
            }
            "--home" => self.home = Some(path(option, value()?)?),
            "--cwd" => self.directory = Some(path(option, value()?)?),
            "--shell" => self.shell = Some(path(option, value()?)?.into_os_string()),
            "--name" => self.login = Some(text(value()?)?),
            "--for" => self.target = Some(target(&text(value()?)?)?),
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
            "--stack" => {
                let bytes = text(value()?)?.parse();
                self.stack =
                    Some(bytes.map_err(|_| wrong("--stack: a number of bytes is wanted"))?);
            }
            "--most" => {
                let files = text(value()?)?.parse();
                self.most = Some(files.map_err(|_| wrong("--most: a number of files is wanted"))?);
            }
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
                if name.is_some() == (self.every || self.everybody) {
                    return Err(wrong("stop needs a name, --every or --all"));
                }
                Verb::Stop { name }
            }
            "config" => Verb::Config {
                name: required(one()?)?,
                setting: operands.next().map_or(Ok(Setting::ShowAll), setting)?,
            },
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

fn setting(operand: OsString) -> Result<Setting, ArgumentError> {
    let operand = text(operand)?;
    Ok(match operand.split_once('=') {
        Some((key, value)) => Setting::Change(key.to_owned(), value.to_owned()),
        None => Setting::Show(operand),
    })
}

/// `UID:GID[,GID…]`.
fn target(value: &str) -> Result<Target, ArgumentError> {
    let bad = || {
        wrong(format!(
            "--for {}: UID:GID[,GID...] is wanted",
            quoted(value)
        ))
    };
    let (uid, gids) = value.split_once(':').ok_or_else(bad)?;
    let uid = uid.parse().map_err(|_| bad())?;
    let gids: Vec<u32> = gids
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| bad())?;
    // The kernel takes -1 for "leave as it is", which must not reach setresuid.
    if uid == u32::MAX || gids.contains(&u32::MAX) {
        Err(bad())
    } else {
        Ok(Target { uid, gids })
    }
}

fn name(value: OsString) -> Result<EnvName, ArgumentError> {
    EnvName::parse(value.as_bytes())
        .map_err(|error| wrong(format!("environment name {}: {error}", quoted(&value))))
}

fn path(option: &str, value: OsString) -> Result<PathBuf, ArgumentError> {
    if value.as_bytes().starts_with(b"/") && value.len() < 4096 {
        Ok(PathBuf::from(value))
    } else {
        Err(wrong(format!(
            "{option} {}: an absolute path of less than 4096 bytes is wanted",
            quoted(value)
        )))
    }
}

/// A path that names the way to a place, not back from it.
fn plain_path(value: OsString) -> Result<PathBuf, ArgumentError> {
    let path = path("PATH", value)?;
    let plain = path
        .components()
        .all(|component| !matches!(component, Component::ParentDir));
    if plain {
        Ok(path)
    } else {
        Err(wrong(format!("PATH {}: it has \"..\" in it", quoted(path))))
    }
}

fn text(value: OsString) -> Result<String, ArgumentError> {
    String::from_utf8(value.into_vec()).map_err(|error| {
        let value = quoted(OsStr::from_bytes(error.as_bytes()));
        wrong(format!("{value} is not UTF-8"))
    })
}

fn wrong(message: impl Into<String>) -> ArgumentError {
    ArgumentError(message.into())
}

//! What there is to ask for, as data.

use caddis_policy::EnvName;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is asked, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// `--for`: for this user, asked by root.
    pub target: Option<Target>,
    /// `--name`: the user's login name, believed only if root says so.
    pub login: Option<Vec<u8>>,
    /// `--all`: for every user, asked by root.
    pub everybody: bool,
}

impl Request {
    /// Whether somebody logs in by it.
    pub(crate) fn is_login(&self) -> bool {
        matches!(&self.verb, Verb::Session(session) if session.login)
    }

    /// Whether it depends on the policy's rules, also when root asks.
    pub(crate) fn needs_rules(&self) -> bool {
        !matches!(
            self.verb,
            Verb::List
                | Verb::Ps { .. }
                | Verb::Stop { .. }
                | Verb::StopEvery
                | Verb::Remove { .. }
        )
    }

    /// How many descriptors of the caller's it wants to be handed on.
    pub(crate) fn files(&self) -> u8 {
        match &self.verb {
            Verb::Session(session) => session.files,
            _ => 0,
        }
    }
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
        /// Which; `None`: the one that is meant.
        name: Option<EnvName>,
    },
    /// The same for every one.
    StopEvery,
    /// Show or change settings.
    Config {
        /// Of which environment.
        name: EnvName,
        /// What to show or change.
        setting: Setting,
    },
    /// Show or change the user's own settings.
    Own {
        /// What to show or change.
        setting: Setting,
    },
    /// Tell which environment is meant where none is named.
    Which,
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
    /// The environment; `None`: the one that is meant then.
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
    /// The environment; `None`: the one that is meant then.
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
    /// The environment; `None`: the one we are in, or else the one that is meant then.
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
    /// The user has logged in.
    pub login: bool,
    /// How many descriptors from 3 on go on to the command.
    pub files: u8,
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

//! A session in an environment: what is asked for and by whom.

mod caller;
mod names;
mod plan;
mod variables;

use std::ffi::OsString;

pub use caller::{Caller, HERE, is_in_user_namespace, is_inside};
pub use names::{environment_name, named_or_meant};
pub use plan::{For, is_absolute, plan};

/// As whom the command runs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// As the user.
    User,
    /// As the environment's root.
    Root,
    /// As the environment's configuration says.
    Login,
}

/// A session that somebody asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// As whom.
    pub role: Role,
    /// The environment, if one was named.
    pub environment: Option<OsString>,
    /// For whom, if not for the caller.
    pub user: Option<OsString>,
    /// The command; none means a login shell.
    pub command: Vec<OsString>,
    /// Only print what would be done.
    pub dry_run: bool,
    /// What is changed is to be decided upon.
    pub trial: bool,
    /// Somebody logs in.
    pub login: bool,
    /// How many descriptors after the standard streams the command gets as well.
    pub files: u8,
}

impl Request {
    /// A login shell of the caller's, in the environment that is theirs if none is named.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            environment: None,
            user: None,
            command: Vec::new(),
            dry_run: false,
            trial: false,
            login: false,
            files: 0,
        }
    }
}

//! Where a login leads.

use std::path::PathBuf;
use std::time::Duration;

use crate::{EnvName, Who};

/// The table `login`: how people get into an environment by logging in to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Where a login leads if its user has not said otherwise.
    pub environment: Preferred,
    /// Members of these groups get the plain host: those who administer the machine. Names or decimal numbers.
    pub bypass_groups: Vec<String>,
    /// Whether everybody may ask for the plain host.
    pub host: bool,
    /// The shell of those for whom no other one is found.
    pub shell: PathBuf,
    /// As [`Session::background`](crate::Session::background), where a login took part.
    pub background: Duration,
}

/// The environment that is meant where none is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preferred {
    /// The one of this name.
    Named(EnvName),
    /// The one that the user used last, written `@last`, which no environment can be called.
    Last,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            environment: Preferred::Named(EnvName::default()),
            bypass_groups: ["sudo", "wheel"].map(str::to_owned).to_vec(),
            host: false,
            shell: PathBuf::from("/bin/bash"),
            background: Duration::from_secs(5 * 60),
        }
    }
}

impl Login {
    /// Whether a login of `who` leads to the plain host: of root, and of the members of a bypass group. A name that
    /// is not found proves no membership, because users can make look-ups fail.
    #[must_use]
    pub fn bypasses(&self, who: &Who<'_>) -> bool {
        who.uid == 0 || who.is_in(&self.bypass_groups)
    }
}

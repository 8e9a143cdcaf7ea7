//! What is measured: one file for each question.

mod burst;
mod changes;
mod cold;
mod disk;
mod join;
mod login;
mod many;
mod overhead;
mod refresh;
mod rounds;

pub use cold::{NEW as COLD_NEW, NEW_NO_LINGER as COLD_NEW_NO_LINGER};
pub use disk::NEW as DISK_NEW;
pub use join::OVER_PLAIN as JOIN_OVER_PLAIN;
pub use login::OVER_PLAIN as LOGIN_OVER_PLAIN;
pub use many::RESIDENT as IDLE_RESIDENT;
pub use refresh::{REFRESH, SHARE as WATCHER_SHARE};

use crate::arguments::Arguments;
use crate::error::Result;
use crate::report::Table;
use crate::site::Site;
use clap::ValueEnum;
use serde::Serialize;

/// A question, and how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// From the command typed until `true` has run, in something that did not exist before
    Cold,
    /// The same in an environment that runs already
    Join,
    /// Logins over ssh, with Caddis and without
    Login,
    /// 100 starts, one after the other
    InTurn,
    /// 100 starts at once
    AtOnce,
    /// The disk space of a new environment
    Disk,
    /// Many environments side by side: time and memory
    Many,
    /// Changes of the host in running environments: refreshing them, watching the host
    Refresh,
    /// Work inside against the same work outside
    Overhead,
    /// Tell what was changed, where that is very much
    Changes,
}

impl Suite {
    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Suite::Cold => "Start: from the command until `true` has run and its status is back",
            Suite::Join => "Join: the same in an environment that runs already",
            Suite::Login => "Logins over ssh on the loopback interface",
            Suite::InTurn => "100 starts, one after the other",
            Suite::AtOnce => "100 starts at once",
            Suite::Disk => "Disk space of a new environment",
            Suite::Many => "Environments side by side",
            Suite::Refresh => "Changes of the host in running environments",
            Suite::Overhead => "Work inside against the same work outside",
            Suite::Changes => "What was changed: 100,000 files",
        }
    }

    /// Measures.
    pub fn run(self, site: &mut Site) -> Result<Table> {
        match self {
            Suite::Cold => cold::run(site),
            Suite::Join => join::run(site),
            Suite::Login => login::run(site),
            Suite::InTurn => burst::in_turn(site),
            Suite::AtOnce => burst::at_once(site),
            Suite::Disk => disk::run(site),
            Suite::Many => many::run(site),
            Suite::Refresh => refresh::run(site),
            Suite::Overhead => overhead::run(site),
            Suite::Changes => changes::run(site),
        }
    }
}

/// The suites that the command line asks for.
pub fn chosen(arguments: &Arguments) -> Vec<Suite> {
    if arguments.suites.is_empty() {
        Suite::value_variants().to_vec()
    } else {
        arguments.suites.clone()
    }
}

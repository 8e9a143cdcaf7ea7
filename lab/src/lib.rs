//! Disposable test hosts.
//!
//! A [`Host`] is a Debian 12 machine as far as the programs in it can tell: its own root file system on an
//! ext4 image of its own, its own users, `/etc`, processes, network and host name, and a real root. It
//! starts in a fraction of a second, and all of it is gone when the process that started it is.
//!
//! ```no_run
//! use caddis_lab::Host;
//! let host = Host::start().unwrap();
//! host.sh("root", "apt-get install -y cowsay").ok();
//! assert_eq!(host.sh("alice", "id -un").ok().stdout.trim(), "alice");
//! ```
//!
//! Hosts live in a *store*, a file system with reflinks that `lab/run-tests` makes for one run of the tests
//! (`make test T=name` for a single one).
#![forbid(unsafe_code)]
// A test crate: a helper that cannot do its part ends the test there and then, with all it knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod builder;
mod cgroup;
mod child;
mod command;
mod error;
mod files;
mod host;
mod installed;
mod pty;
mod services;
pub mod setup;
mod store;
mod users;
mod wait;

pub use builder::{FileSystem, HostBuilder, RootKind};
pub use child::HostChild;
pub use command::{HostCommand, Output};
pub use error::{LabError, Result};
pub use host::Host;
pub use pty::Pty;
pub use rustix::process::Signal;
pub use wait::eventually;

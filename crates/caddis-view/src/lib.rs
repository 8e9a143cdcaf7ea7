//! The private root: how an environment's view of the host is planned, built, entered and left.
//!
//! A request walks through the files in this order: [`mountinfo`] (the host's mounts, as data),
//! [`plan`] (what to build, as data), [`start`] (user namespace and process 1), `init` (process 1:
//! builds through [`build`], then reaps), [`instance`] (what runs, and who may join), [`session`] (a command inside),
//! `afterwards` (process 1 when the last session has ended: by `visits`, `in_use` and the processes that are `leftover`).
//!
//! Beside that way: [`store`] and [`trial`] keep environments on disk, [`tree`] and [`overlayfs`]
//! are how their layers are handled there, [`below`] shows what they are without their changes;
//! [`veil`], [`refresh`], [`held`], [`exposed`] and [`packages`] keep the view up to date with the
//! host; [`stopping`] ends instances.
//!
//! Everything but the first two needs root: it is for the setuid helper and for `caddis-admin` alone.

#![forbid(unsafe_code)]
// Nothing in here writes to the caller's descriptors: what there is to say is returned.
#![deny(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod account;
mod accounts;
mod afterwards;
mod apart;
pub mod below;
pub mod build;
pub mod cgroup;
pub mod credentials;
mod dev;
pub mod ending;
pub mod error;
pub mod exposed;
mod filter;
mod front;
mod handover;
pub mod held;
pub mod home;
pub mod identity;
mod in_use;
mod init;
pub mod instance;
mod join;
pub mod layer_directories;
mod layers;
mod leftover;
pub mod lock;
mod making;
mod memory;
mod merge;
pub mod mountinfo;
mod notes;
pub mod orphans;
pub mod overlayfs;
pub mod owner;
pub mod packages;
pub mod patient;
mod place;
pub mod plan;
pub mod process;
mod record;
pub mod refresh;
pub mod replace;
mod seen;
pub mod session;
pub mod start;
pub mod stopping;
pub mod store;
pub mod tree;
pub mod trial;
mod userns;
pub mod veil;
mod visits;

pub use error::{Error, Result};
pub use identity::Identity;
pub use in_use::Use;
pub use instance::{Instance, Runtime};
pub use join::{Command, execute_inside};
pub use plan::{Plan, Wish};
pub use session::Ended;
pub use start::{Entrance, Start};

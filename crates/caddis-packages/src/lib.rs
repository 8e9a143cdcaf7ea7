//! dpkg's database as data: how it is read, how an administrator's and a user's version of it become one again, and
//! how two of them differ.
//!
//! A user's first package copies the base's `status` as a whole, and from then on the administrator's packages are
//! missing in it although their files are there. [`plan()`] brings both together from what the base was then, what it is
//! now and what the user made of it. All of it is pure: bytes in, bytes out. The user's files may hold anything.

#![forbid(unsafe_code)]
// Nothing in here writes to the caller's descriptors: what there is to say is returned.
#![deny(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod decision;
mod difference;
mod info;
mod paragraph;
mod plan;
mod side;
mod status;
mod version;

pub use difference::{Change, Kind, differences};
pub use paragraph::{Broken, Paragraph, parse};
pub use plan::{Base, Conflict, Entry, Input, Own, Plan, STATUS, plan};
pub use version::compare;

//! The administrator's policy, id ranges and environment names.
//!
//! Everything here is pure: text and numbers in, values or errors out. Nothing opens a file, asks
//! the kernel or prints. The crate is linked into a setuid program, so it has few dependencies, no
//! `unsafe`, and answers every input with a value or an error.
//!
//! | module | idea |
//! |---|---|
//! | [`EnvName`] | which names an environment may have |
//! | [`Policy`], [`parse`] | the policy file |
//! | [`accounts`] | the lines of `/etc/passwd` and `/etc/group` |
//! | [`Access`] | who may use Caddis |
//! | [`Login`] | where a login leads |
//! | [`id_range`], [`uid_map`], [`gid_map`] | which host ids an environment gets |
//! | [`Devices`], [`View`], [`Root`], … | the tables of the policy |

#![forbid(unsafe_code)]
// Nothing in here writes to the caller's descriptors: what there is to say is returned.
#![deny(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod access;
pub mod accounts;
mod capability;
mod devices;
mod duration;
mod error;
mod ids;
mod kernel;
mod keys;
mod limits;
mod login;
mod name;
mod nearest;
mod path;
mod places;
mod policy;
mod position;
mod read;
mod session;
mod storage;
mod value;
mod view;

/// The directory of the administrator's files. Set when Caddis is built, so that no variable can tell a program, least
/// of all the setuid one, where to look.
pub const SYSCONFDIR: &str = match option_env!("CADDIS_SYSCONFDIR") {
    Some(directory) => directory,
    None => "/etc/caddis",
};

/// What to do where there is no policy file.
pub const NO_POLICY: &str = "`make install` puts one there; an empty file means the defaults";

pub use access::{Access, Refusal, Who};
pub use capability::{Capability, Root, UnknownCapability};
pub use devices::{Devices, PatternError};
pub use error::{PolicyError, PolicyErrors};
pub use ids::{
    Extent, INITIAL_USER_NAMESPACE, IdRange, Ids, MapError, RANGE, RangeError, SubEntry, gid_map,
    id_range, map_text, parse_subid, spare_uid, uid_map,
};
pub use kernel::Kernel;
pub use limits::Limits;
pub use login::{Login, Preferred};
pub use name::{EnvName, NameError};
pub use path::PathError;
pub use policy::Policy;
pub use read::{parse, parse_bytes, parse_leniently};
pub use session::Session;
pub use storage::{SizeError, Storage};
pub use view::{View, ViewError};

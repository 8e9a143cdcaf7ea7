//! The package database of an environment: kept in step with the base's.
//!
//! A user's first `apt-get install` copies `/var/lib/dpkg/status` into the environment's changes, and from then on the
//! administrator's packages are missing in it although their files are there. So root keeps copies of the base's
//! database (`snapshot`), each environment remembers which of them it was last in step with (`record`), and when
//! that is no longer the newest one, both are merged ([`caddis_packages::plan`]): at a start, before the first command,
//! or by `caddis admin refresh` in an environment that runs.
//!
//! What the user made of the database is read by nobody but a child that has joined the instance as container root
//! (`inside`), which can do nothing that the user could not do. Root looks at names only (`layer`).

mod due;
mod inside;
mod layer;
mod merge;
mod record;
mod snapshot;

pub use due::{Due, current, remove_unused, see_to};
pub use layer::own_status;
pub(crate) use merge::merge;
pub use merge::merge_in;
pub(crate) use record::copy_mark;
pub use record::lines;

/// The files that are merged, from `/var/lib` on, beside those in [`TRIGGERS`].
const FILES: [&str; 5] = [
    caddis_packages::STATUS,
    "dpkg/diversions",
    "dpkg/statoverride",
    "dpkg/arch",
    "apt/extended_states",
];

/// A directory of further ones.
const TRIGGERS: &str = "dpkg/triggers";

/// The directory of the packages' own files.
const INFO: &str = "dpkg/info";

/// Where they are.
const LIBRARY: &str = "/var/lib";

/// How the name of a file ends that is not written yet.
const UNFINISHED: &str = ".caddis-new";

/// The largest file that is read, whoever it belongs to. A machine with all of Debian's packages for one task has ten
/// times less.
pub const MOST: usize = 32 << 20;

/// The most names of a directory that are read.
const MOST_NAMES: usize = 200_000;

//! The changes of an environment as data: what its upper layers say, compared with what lies below.
//!
//! Read it in this order: [`entry`] and [`mod@change`] (what is told), `walk` (the comparison), `trail` (how it goes deep
//! without keeping everything open); then [`revert`] (changes are given up), [`keep`] (the changes of a try become the
//! environment's) and [`renew`] (new versions of files that are held). How overlayfs marks its layers is in
//! [`caddis_view::overlayfs`].
//!
//! The names and the content in there are the user's: everything is opened by descriptor, never through a link.

#![forbid(unsafe_code)]
// Nothing in here writes to the caller's descriptors: what there is to say is returned.
#![deny(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod attributes;
pub mod change;
pub mod content;
pub mod entry;
pub mod keep;
pub mod renew;
pub mod revert;
mod selection;
mod trail;
mod walk;

pub use change::{Change, What};
pub use entry::{Entry, Name};
pub use selection::Selection;
pub use walk::{Stop, walk};

//! The changes of an environment as data: what its upper layers say, compared with what lies below.
//!
//! The names and the content in there are the user's: everything is opened by descriptor, never through a link.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod layer;
pub mod revert;

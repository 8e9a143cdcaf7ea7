//! A file per verb.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod packages;
pub(crate) mod ps;
pub(crate) mod remove;
pub(crate) mod revert;
pub(crate) mod session;
pub(crate) mod stop;
pub(crate) mod trial;

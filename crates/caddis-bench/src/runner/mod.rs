//! Runners: one process for each user in the host, which starts commands as that user and measures them.

mod client;
mod protocol;
mod serve;
mod state;

pub use client::Runner;
pub use protocol::{Memory, Request};
pub use serve::{Server, serve};

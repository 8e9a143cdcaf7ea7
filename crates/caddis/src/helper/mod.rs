//! Talking to the setuid helper: how it is called, and how its answers are read.

pub mod answer;
pub mod change;

pub use caddis_client::call::{self, Call};
pub use caddis_client::{percent, record};

pub use answer::{Check, Environment, Level, Orphan, Process, Reverted};
pub use change::{Change, Changes, Content, Kind, Side};

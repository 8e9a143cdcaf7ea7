//! Talking to the setuid helper: how it is called, and how its answers are read.

pub mod answer;
pub mod call;
pub mod percent;
pub mod record;

pub use answer::{Change, Check, Environment, Level, Process};
pub use call::Call;

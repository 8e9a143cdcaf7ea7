//! Talking to the setuid helper: how it is called, and how its answers are read.

pub mod answer;
pub mod call;
pub mod change;
pub mod percent;
pub mod record;

pub use answer::{Check, Environment, Level, Process, Reverted};
pub use call::Call;
pub use change::{Change, Changes, Content, Kind, Side};

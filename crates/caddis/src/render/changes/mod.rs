//! Changes as a list, as JSON, as a patch, and in numbers.

pub mod json;
pub mod names;
pub mod patch;
pub mod short;
pub mod stat;
mod unified;

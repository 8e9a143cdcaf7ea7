//! Rendering: values in, text out. Nothing here asks the system for anything.

pub mod age;
pub mod checks;
pub mod completion;
pub mod environments;
pub mod json;
pub mod man;
pub mod packages;
pub mod processes;
pub mod size;
pub mod style;
pub mod table;
pub mod text;

//! Rendering: values in, text out. Nothing here asks the system for anything.

pub mod age;
pub mod changes;
pub mod checks;
pub mod completion;
pub mod environments;
pub mod json;
pub mod man;
pub mod orphans;
pub mod package_notes;
pub mod packages;
pub mod processes;
pub mod reverted;
pub mod size;
pub mod stale;
pub mod status;
pub mod style;
pub mod table;
pub mod text;

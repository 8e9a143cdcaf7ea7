//! No container at all: the least that starting a program takes.

/// The command.
pub const COMMAND: [&str; 1] = ["/usr/bin/true"];

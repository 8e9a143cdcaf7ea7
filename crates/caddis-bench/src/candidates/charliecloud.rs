//! Charliecloud's ch-run on a small directory tree: new mount and user namespaces.

/// The command.
pub const COMMAND: [&str; 4] = ["/usr/bin/ch-run", super::tree::ROOT, "--", "/usr/bin/true"];

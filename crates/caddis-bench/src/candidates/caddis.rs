//! Caddis: a private writable `/` with the host's below.

/// The command, in the environment `name`.
pub fn command(name: &str) -> Vec<&str> {
    vec!["/usr/local/bin/caddis", "run", "-e", name, "true"]
}

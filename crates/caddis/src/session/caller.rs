//! The caller: who, where, with which variables.

use std::ffi::OsString;
use std::path::PathBuf;

/// What a session takes over from whoever asks for it.
#[derive(Debug, Clone)]
pub struct Caller {
    pub uid: u32,
    /// Whether the caller seems to be in an environment already. Anybody can set the variable; it only decides which
    /// questions are left to the helper, which knows.
    pub inside: bool,
    /// The working directory; none where it was removed or cannot be reached.
    pub directory: Option<PathBuf>,
    pub variables: Vec<(OsString, OsString)>,
}

/// Set by the helper for every command in an environment.
const INSIDE: &str = "CADDIS_ENV";

impl Caller {
    /// This process.
    pub fn current() -> Self {
        Self {
            uid: rustix::process::getuid().as_raw(),
            inside: is_inside(),
            directory: std::env::current_dir().ok(),
            variables: std::env::vars_os().collect(),
        }
    }
}

/// Whether this process seems to be in an environment.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some_and(|name| !name.is_empty())
}

//! The caller: who, where, with which variables.

use std::ffi::OsString;
use std::path::PathBuf;

/// What a session takes over from whoever asks for it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Their user id.
    pub uid: u32,
    /// Whether the caller seems to be in an environment already. Anybody can set the variable; it only decides which
    /// questions are left to the helper, which knows.
    pub inside: bool,
    /// The working directory; none where it was removed or cannot be reached.
    pub directory: Option<PathBuf>,
    /// All of them.
    pub variables: Vec<(OsString, OsString)>,
    /// The soft limit of the stack in bytes, where the kernel will not leave it to a setuid program.
    pub stack: Option<u64>,
}

/// The most that the kernel leaves: `_STK_LIM`.
const LEFT_TO_SETUID_PROGRAMS: u64 = 8 << 20;

/// The environment one is in: set by the helper for every command in it.
pub const HERE: &str = "CADDIS_ENV";

impl Caller {
    /// This process.
    pub fn current() -> Self {
        // No limit is the largest number, for the kernel as well.
        let stack = rustix::process::getrlimit(rustix::process::Resource::Stack)
            .current
            .unwrap_or(u64::MAX);
        Self {
            uid: rustix::process::getuid().as_raw(),
            inside: is_inside(),
            directory: std::env::current_dir().ok(),
            variables: std::env::vars_os().collect(),
            stack: Some(stack).filter(|soft| *soft > LEFT_TO_SETUID_PROGRAMS),
        }
    }
}

/// Whether this process seems to be in an environment. `su -` drops the variable; the host's root is never in a user
/// namespace of somebody's.
pub fn is_inside() -> bool {
    std::env::var_os(HERE).is_some_and(|name| !name.is_empty()) || is_in_user_namespace()
}

/// Whether this process is in a user namespace of somebody's: the same question, answered by the kernel alone.
pub fn is_in_user_namespace() -> bool {
    rustix::fs::stat("/proc/self/ns/user")
        .is_ok_and(|stat| stat.st_ino != caddis_policy::INITIAL_USER_NAMESPACE)
}

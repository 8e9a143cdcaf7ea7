use crate::errno;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::ptr;

/// Replaces this program. Returns only on failure.
///
/// The standard library's `Command::exec` is not used because it searches `PATH` in a way that
/// hides which file could not be executed, and resets the signal mask.
///
/// # References
/// - [execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html)
pub fn execve(path: &CStr, argv: &[CString], envp: &[CString]) -> Errno {
    let pointers = |list: &[CString]| {
        list.iter()
            .map(|item| item.as_ptr())
            .chain([ptr::null()])
            .collect::<Vec<_>>()
    };
    let (argv, envp) = (pointers(argv), pointers(envp));
    // SAFETY: both arrays end with a null pointer and point to strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    errno()
}

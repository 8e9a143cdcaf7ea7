use crate::checked;
use rustix::io::Errno;
use std::ptr;

/// Leaves the session keyring of the caller for a new, empty one: keys of root's session must not
/// be within reach of a command that root runs for somebody else.
///
/// # References
/// - [KEYCTL_JOIN_SESSION_KEYRING(2const)](https://man7.org/linux/man-pages/man2/KEYCTL_JOIN_SESSION_KEYRING.2const.html)
pub fn join_new_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    checked(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            ptr::null::<libc::c_char>(),
        )
    })?;
    Ok(())
}

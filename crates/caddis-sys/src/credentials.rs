/// Sets the user id that file systems see, for this thread, and with it the effective file-system
/// capabilities (dropped when it leaves 0). The call cannot report failure; see setfsuid(2), so the
/// id is read back: `false` says that the kernel refused.
///
/// # References
/// - [setfsuid(2)](https://man7.org/linux/man-pages/man2/setfsuid.2.html)
#[must_use]
pub fn setfsuid(uid: u32) -> bool {
    // SAFETY: takes a number. Asking for the invalid id -1 changes nothing and answers the present one.
    unsafe {
        libc::setfsuid(uid);
        libc::setfsuid(u32::MAX).cast_unsigned() == uid
    }
}

/// Sets the group id that file systems see, for this thread. `false`: the kernel refused.
///
/// # References
/// - [setfsgid(2)](https://man7.org/linux/man-pages/man2/setfsgid.2.html)
#[must_use]
pub fn setfsgid(gid: u32) -> bool {
    // SAFETY: as in `setfsuid`.
    unsafe {
        libc::setfsgid(gid);
        libc::setfsgid(u32::MAX).cast_unsigned() == gid
    }
}

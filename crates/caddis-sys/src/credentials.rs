/// Sets the user id for file-system access; capabilities that bear on file systems go with it (when it
/// leaves 0) and come back (when it becomes 0 again). Returns the id until now. The call reports no failure
/// (see setfsuid(2)): ask with [`fs_ids`] where it matters.
///
/// # References
/// - [setfsuid(2)](https://man7.org/linux/man-pages/man2/setfsuid.2.html)
pub fn setfsuid(uid: u32) -> u32 {
    // SAFETY: takes a number and has no effect on memory.
    unsafe { libc::setfsuid(uid) }.cast_unsigned()
}

/// The same for the group id.
///
/// # References
/// - [setfsgid(2)](https://man7.org/linux/man-pages/man2/setfsgid.2.html)
pub fn setfsgid(gid: u32) -> u32 {
    // SAFETY: as in `setfsuid`.
    unsafe { libc::setfsgid(gid) }.cast_unsigned()
}

/// The user and the group id for file-system access: setting an id that cannot be only asks for it.
#[must_use]
pub fn fs_ids() -> (u32, u32) {
    (setfsuid(u32::MAX), setfsgid(u32::MAX))
}

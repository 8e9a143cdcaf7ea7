use crate::checked;
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// Moves the calling process into new namespaces of the given kinds.
///
/// # References
/// - [unshare(2)](https://man7.org/linux/man-pages/man2/unshare.2.html)
pub fn unshare(namespaces: UnshareFlags) -> Result<(), Errno> {
    let namespaces = namespaces
        & (UnshareFlags::NEWNS
            | UnshareFlags::NEWUTS
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWCGROUP);
    // SAFETY: only namespaces are left of the flags; memory and descriptors stay shared as they are
    // (CLONE_FILES would break the ownership of descriptors).
    checked(unsafe { libc::syscall(libc::SYS_unshare, namespaces.bits()) })?;
    Ok(())
}

use crate::checked;
use rustix::io::Errno;
use std::os::fd::{AsRawFd, OwnedFd};

/// Closes every descriptor from `first` on: what a caller left open must reach neither the helper
/// nor anything that it starts.
///
/// # References
/// - [close_range(2)](https://man7.org/linux/man-pages/man2/close_range.2.html)
pub fn close_from(first: u32) -> Result<(), Errno> {
    close_range(first, u32::MAX)
}

/// Closes every descriptor but 0, 1, 2 and `kept`, in a process that is about to execute a program
/// or to exit, and does not use any other descriptor until then.
pub fn close_all_but(kept: &OwnedFd) -> Result<(), Errno> {
    let kept = u32::try_from(kept.as_raw_fd()).map_err(|_| Errno::BADF)?;
    if kept > 3 {
        close_range(3, kept - 1)?;
    }
    close_range(kept + 1, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: takes three numbers. The callers of this crate use it where no owned descriptor is
    // used or closed afterwards.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
    Ok(())
}

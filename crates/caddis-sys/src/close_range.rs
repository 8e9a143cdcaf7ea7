use crate::checked;
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Closes every descriptor from `first` on: what a caller left open must reach neither the helper
/// nor anything that it starts.
///
/// # References
/// - [close_range(2)](https://man7.org/linux/man-pages/man2/close_range.2.html)
pub fn close_from(first: u32) -> Result<(), Errno> {
    close_range(first, u32::MAX)
}

/// Closes every descriptor but 0, 1, 2 and `kept`, in a process that uses no other descriptor from here
/// on and ends by `exit` or `execve`, so that no owner of a closed one is ever dropped.
pub fn close_all_but(kept: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let number = |fd: &BorrowedFd<'_>| u32::try_from(fd.as_raw_fd()).map_err(|_| Errno::BADF);
    let mut kept: Vec<u32> = kept.iter().map(number).collect::<Result<_, _>>()?;
    kept.sort_unstable();
    let mut first = 3;
    for fd in kept.into_iter().filter(|fd| *fd >= 3) {
        if first < fd {
            close_range(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: takes three numbers. It closes descriptors behind the back of their owners; the two
    // functions above say when that is sound: before there are owners, or when none is used again.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
    Ok(())
}

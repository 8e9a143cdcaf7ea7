use crate::checked;
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd};

/// The number is the same everywhere; since Linux 6.13.
const LISTXATTRAT: libc::c_long = 465;

/// The names of the extended attributes of `name` in `directory`, each ended by a NUL byte, without following a
/// link. Returns how many bytes of `list` they take.
///
/// # Errors
/// `NOSYS` on kernels before 6.13.
///
/// # References
/// - [listxattr(2)](https://man7.org/linux/man-pages/man2/listxattr.2.html)
pub fn listxattrat(directory: impl AsFd, name: &CStr, list: &mut [u8]) -> Result<usize, Errno> {
    let directory = directory.as_fd().as_raw_fd();
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    let (buffer, size) = (list.as_mut_ptr(), list.len());
    // SAFETY: the kernel reads the string and writes at most `size` bytes to the buffer, both of which live on.
    let length = checked(unsafe {
        libc::syscall(LISTXATTRAT, directory, name.as_ptr(), flags, buffer, size)
    })?;
    Ok(usize::try_from(length).unwrap_or(0))
}

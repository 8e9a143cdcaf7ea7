use crate::errno;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// `MAX_HANDLE_SZ` in the kernel's `include/linux/exportfs.h`.
const LONGEST: usize = 128;

/// What a file system calls one of its files, also when nobody knows a path of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHandle<'a> {
    /// Of which form the rest is; only the file system knows.
    pub kind: i32,
    /// The file system's own name for the file.
    pub bytes: &'a [u8],
}

/// `struct file_handle` of the kernel, with room for any handle.
#[repr(C)]
struct Raw {
    length: u32,
    kind: i32,
    bytes: [u8; LONGEST],
}

/// Opens a file of the file system that `mount` is a file or directory of. The file is seen as on that mount.
///
/// # References
/// - [open_by_handle_at(2)](https://man7.org/linux/man-pages/man2/open_by_handle_at.2.html)
pub fn open_by_handle_at(
    mount: impl AsFd,
    handle: FileHandle<'_>,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let mut raw = Raw {
        length: u32::try_from(handle.bytes.len()).map_err(|_| Errno::INVAL)?,
        kind: handle.kind,
        bytes: [0; LONGEST],
    };
    let room = raw.bytes.get_mut(..handle.bytes.len());
    room.ok_or(Errno::INVAL)?.copy_from_slice(handle.bytes);
    let flags = flags.bits().cast_signed();
    // SAFETY: the structure is laid out as the kernel's and says how much of it is used, no more than there is; the
    // answer is a new descriptor that nobody else owns.
    unsafe {
        let raw = (&raw mut raw).cast::<libc::file_handle>();
        let fd = libc::open_by_handle_at(mount.as_fd().as_raw_fd(), raw, flags);
        if fd < 0 {
            Err(errno())
        } else {
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }
}

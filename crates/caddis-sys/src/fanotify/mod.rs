//! fanotify(7) as far as it tells which names of a file system changed.

mod events;

pub use events::{Directory, Event, Events};

use crate::{checked, errno};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// A name was added.
pub const CREATE: u64 = libc::FAN_CREATE;
/// A name was removed.
pub const DELETE: u64 = libc::FAN_DELETE;
/// A name is another one now, or in another directory; with the former name.
pub const MOVED_FROM: u64 = libc::FAN_MOVED_FROM;
/// The same, with the new name.
pub const MOVED_TO: u64 = libc::FAN_MOVED_TO;
/// Mode, owner, extended attributes or times changed.
pub const ATTRIB: u64 = libc::FAN_ATTRIB;
/// It is a directory that this happened to.
pub const ONDIR: u64 = libc::FAN_ONDIR;
/// There were more events than the queue holds, and some are lost.
pub const Q_OVERFLOW: u64 = libc::FAN_Q_OVERFLOW;

/// A queue of events (close-on-exec, non-blocking) that name the directory and the name in it.
///
/// # References
/// - [fanotify_init(2)](https://man7.org/linux/man-pages/man2/fanotify_init.2.html)
pub fn init() -> Result<OwnedFd, Errno> {
    let flags =
        libc::FAN_CLASS_NOTIF | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK | libc::FAN_REPORT_DFID_NAME;
    // The second one is for descriptors in events, of which there are none.
    let event_flags = libc::O_RDONLY.cast_unsigned();
    // SAFETY: takes two numbers; the answer is a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::fanotify_init(flags, event_flags);
        if fd < 0 {
            Err(errno())
        } else {
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }
}

/// Has `queue` told of all events of `mask` in the whole file system of `directory`, until it is unmounted.
///
/// # References
/// - [fanotify_mark(2)](https://man7.org/linux/man-pages/man2/fanotify_mark.2.html), `FAN_MARK_FILESYSTEM`
pub fn mark_filesystem(queue: impl AsFd, directory: impl AsFd, mask: u64) -> Result<(), Errno> {
    let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM;
    let (queue, directory) = (queue.as_fd().as_raw_fd(), directory.as_fd().as_raw_fd());
    // SAFETY: a null path asks for the file that the descriptor stands for.
    let answer = unsafe { libc::fanotify_mark(queue, flags, mask, directory, ptr::null()) };
    checked(answer.into())?;
    Ok(())
}

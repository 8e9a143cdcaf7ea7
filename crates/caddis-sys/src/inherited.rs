use rustix::io::Errno;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes hold of the `count` descriptors from `first` on that the program was started with, in order; an error names
/// the first one that is not open. To be called before the program opens anything itself: it would take that for its
/// caller's. A second time there is nothing left to take (`EALREADY`).
pub fn inherited(first: RawFd, count: u8) -> Result<Vec<OwnedFd>, (RawFd, Errno)> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if first < 3 || TAKEN.swap(true, Ordering::Relaxed) {
        return Err((first, Errno::ALREADY));
    }
    let numbers = first..first.saturating_add(count.into());
    for number in numbers.clone() {
        // SAFETY: it is borrowed for one call, which says whether it is open and does not care if it is not.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_getfd(borrowed).map_err(|errno| (number, errno))?;
    }
    // SAFETY: each is open, and neither a standard stream nor opened by this program, so nobody in it owns it;
    // nor is it taken twice.
    Ok(numbers
        .map(|number| unsafe { OwnedFd::from_raw_fd(number) })
        .collect())
}

use crate::checked;
use rustix::io::Errno;

/// Has the calling process scheduled as a batch process: when it wakes up it takes the processor from nobody.
///
/// # References
/// - [sched(7)](https://man7.org/linux/man-pages/man7/sched.7.html), `SCHED_BATCH`
pub fn never_preempt() -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the structure is read by the kernel and lives until the call returns; 0 is this thread.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
    checked(answer.into())?;
    Ok(())
}

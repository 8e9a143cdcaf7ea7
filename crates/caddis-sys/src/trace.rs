use crate::checked;
use rustix::io::Errno;
use rustix::process::Pid;

/// Lets a child go on that has made its parent its tracer (`PTRACE_TRACEME`), with the signal that it was stopped for
/// (0: none), and is its tracer no more.
///
/// # References
/// - [ptrace(2)](https://man7.org/linux/man-pages/man2/ptrace.2.html), `PTRACE_DETACH`
pub fn let_go(child: Pid, signal: i32) -> Result<(), Errno> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: `PTRACE_DETACH` takes numbers only; neither the address nor the data is followed.
    let answer = unsafe {
        libc::ptrace(
            libc::PTRACE_DETACH,
            child.as_raw_nonzero().get(),
            none,
            libc::c_long::from(signal),
        )
    };
    checked(answer)?;
    Ok(())
}

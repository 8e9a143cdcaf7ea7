use crate::errno;
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::{c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The namespaces that a child is born in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// The caller's (and the pid namespace that the caller chose for its children).
    Same,
    /// A new pid namespace, of which the child is process 1, and a copy of the mount namespace.
    PidAndMount,
}

/// Which side of the fork returns.
#[derive(Debug)]
pub enum Forked {
    /// The caller, with the child's id and a descriptor for it (close-on-exec).
    Parent(Pid, OwnedFd),
    /// The new process.
    Child,
}

/// Forks with `clone3`, so that the child is born in its namespaces and the parent has a descriptor
/// for it which can never mean another process.
///
/// # References
/// - [clone3(2)](https://man7.org/linux/man-pages/man2/clone3.2.html)
pub fn fork(namespaces: Namespaces) -> Result<Forked, Errno> {
    let flags = match namespaces {
        Namespaces::Same => 0,
        Namespaces::PidAndMount => libc::CLONE_NEWPID | libc::CLONE_NEWNS,
    };
    let mut pidfd: RawFd = -1;
    let args = libc::clone_args {
        flags: u64::from((flags | libc::CLONE_PIDFD).cast_unsigned()),
        pidfd: (&raw mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: without CLONE_VM and with no stack this is fork(2): the child goes on with a copy of
    // this memory. The program has one thread, so no lock can be held by a thread that is not there.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    match i32::try_from(pid) {
        Ok(0) => Ok(Forked::Child),
        Ok(pid) if pid > 0 => {
            // SAFETY: the kernel has just put a new descriptor there, which nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Forked::Parent(
                Pid::from_raw(pid).ok_or(Errno::SRCH)?,
                pidfd,
            ))
        }
        _ => Err(errno()),
    }
}

/// Has a child born in a new user namespace and end at once. Returned is what is left: its id and a descriptor
/// for it. The namespace lives until the child is waited for, and longer if somebody has opened it meanwhile.
///
/// The child shares this process's memory and uses none of it but a stack of its own; this process stands
/// still until it has ended, as with vfork(2). That takes a third of the time of a fork(2).
///
/// # References
/// - [clone(2)](https://man7.org/linux/man-pages/man2/clone.2.html)
pub fn end_in_user_namespace() -> Result<(Pid, OwnedFd), Errno> {
    extern "C" fn end(_: *mut c_void) -> c_int {
        0
    }
    /// x86-64 and AArch64 want a stack pointer that is a multiple of 16.
    #[repr(align(16))]
    struct Stack([u8; 4096]);
    let mut stack = Stack([0; 4096]);
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_NEWUSER | libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
    // SAFETY: `end` uses nothing but its stack, the array, which ends where the stack begins; CLONE_VFORK
    // keeps this frame, and with it the array, alive and untouched until the child has ended. It touches no
    // thread-local storage, which it shares with us.
    let pid = unsafe {
        libc::clone(
            end,
            stack.0.as_mut_ptr_range().end.cast(),
            flags | libc::SIGCHLD,
            std::ptr::null_mut(),
            &raw mut pidfd,
        )
    };
    if pid < 0 {
        return Err(errno());
    }
    // SAFETY: the kernel has just put a new descriptor there, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok((Pid::from_raw(pid).ok_or(Errno::SRCH)?, pidfd))
}

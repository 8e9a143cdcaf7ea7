use crate::{checked, errno};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// A set of signals.
#[derive(Clone, Copy)]
pub struct Signals(libc::sigset_t);

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signals")
    }
}

/// A signal that was read from a [`signalfd`].
#[derive(Debug, Clone, Copy)]
pub struct Caught {
    /// Its number.
    pub signal: i32,
    /// A process sent it, by kill(2) or the like; otherwise the kernel did, as for Ctrl-C.
    pub sent_by_process: bool,
}

/// The set without any signal.
#[must_use]
pub fn empty_mask() -> Signals {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        Signals(set.assume_init())
    }
}

/// Blocks all signals and returns those that were blocked before.
pub fn block_all() -> Result<Signals, Errno> {
    let mut before = MaybeUninit::uninit();
    // SAFETY: sigfillset fills the set, sigprocmask the one for the former mask.
    unsafe {
        let mut all = MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        checked(libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()).into())?;
        Ok(Signals(before.assume_init()))
    }
}

/// Blocks the signals of `mask` and no others.
pub fn set_mask(mask: Signals) -> Result<(), Errno> {
    let former = std::ptr::null_mut();
    // SAFETY: the set is initialised; the former one is not asked for.
    let result = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const mask.0, former) };
    checked(result.into())?;
    Ok(())
}

/// Gives every listed signal its default action. A caller may have left signals ignored: with
/// SIGCHLD ignored, a child's status would be lost.
pub fn default_actions(signals: &[i32]) {
    for signal in signals {
        // SAFETY: SIG_DFL is no handler of ours; an invalid number is refused and changes nothing.
        unsafe { libc::signal(*signal, libc::SIG_DFL) };
    }
}

/// Ignores `signal`.
pub fn ignore(signal: i32) {
    // SAFETY: SIG_IGN is no handler of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// A descriptor (close-on-exec, non-blocking) from which every signal that can be blocked is read.
///
/// # References
/// - [signalfd(2)](https://man7.org/linux/man-pages/man2/signalfd.2.html)
pub fn signalfd() -> Result<OwnedFd, Errno> {
    // SAFETY: sigfillset fills the set; the answer is a new descriptor that nobody else owns.
    unsafe {
        let mut all = MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        let fd = libc::signalfd(-1, all.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            Err(errno())
        } else {
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }
}

impl Caught {
    /// Reads one signal; `None`: there is none now.
    pub fn read(from: impl AsFd) -> Result<Option<Caught>, Errno> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer has the size of one record; all zeroes is a valid one.
        let info = unsafe {
            let got = libc::read(from.as_fd().as_raw_fd(), info.as_mut_ptr().cast(), size);
            if usize::try_from(got) != Ok(size) {
                return match errno() {
                    Errno::AGAIN | Errno::INTR => Ok(None),
                    other => Err(other),
                };
            }
            info.assume_init()
        };
        Ok(Some(Caught {
            signal: info.ssi_signo.cast_signed(),
            // si_code is SI_USER (0) or negative for a process, positive for the kernel.
            sent_by_process: info.ssi_code <= 0,
        }))
    }
}

/// Sends `signal` to every process that the caller may signal, but for itself and process 1 of its
/// pid namespace. No process to signal is no error.
///
/// # References
/// - [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html)
pub fn kill_everyone(signal: i32) -> Result<(), Errno> {
    // SAFETY: takes two numbers.
    match checked(unsafe { libc::kill(-1, signal) }.into()) {
        Ok(_) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether there is any process but the caller and process 1 in the caller's pid namespace.
///
/// # References
/// - [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html)
#[must_use]
pub fn anybody_left() -> bool {
    // SAFETY: takes two numbers; 0 is no signal, only the question whether there is whom to send one to.
    !matches!(
        checked(unsafe { libc::kill(-1, 0) }.into()),
        Err(Errno::SRCH)
    )
}

/// Sends `signal`, real-time ones too, to the process that `process` stands for.
///
/// # References
/// - [pidfd_send_signal(2)](https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html)
pub fn pidfd_send_signal(process: impl AsFd, signal: i32) -> Result<(), Errno> {
    let info = std::ptr::null::<libc::siginfo_t>();
    let process = process.as_fd().as_raw_fd();
    // SAFETY: a null siginfo asks for that of kill(2).
    checked(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process, signal, info, 0) })?;
    Ok(())
}

use crate::checked;
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd};

/// `struct pidfd_info` in its first version, see the kernel's `include/uapi/linux/pidfd.h`.
#[repr(C)]
#[derive(Debug, Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ruid: u32,
    rgid: u32,
    euid: u32,
    egid: u32,
    suid: u32,
    sgid: u32,
    fsuid: u32,
    fsgid: u32,
    exit_code: i32,
}

/// `PIDFD_INFO_PID` and `PIDFD_INFO_CREDS`.
const WANTED: u64 = 1 | 2;

/// The real, effective, saved and file-system user id of a process, as the caller's user namespace
/// has them. That takes the same time whatever the process does.
///
/// # Errors
/// `NOTTY` before Linux 6.13, `SRCH` for a process that is gone or whose parent is in another pid
/// namespace.
///
/// # References
/// - [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html)
pub fn pidfd_uids(process: impl AsFd) -> Result<[u32; 4], Errno> {
    const GET_INFO: rustix::ioctl::Opcode = rustix::ioctl::opcode::read_write::<Info>(0xff, 11);
    let mut info = Info {
        mask: WANTED,
        ..Info::default()
    };
    let fd = process.as_fd().as_raw_fd();
    // SAFETY: the number says how large the structure is, and the kernel writes into no more of it.
    // It lives for the whole call.
    checked(unsafe { libc::syscall(libc::SYS_ioctl, fd, u64::from(GET_INFO), &raw mut info) })?;
    if info.mask & WANTED != WANTED {
        return Err(Errno::NOTTY);
    }
    Ok([info.ruid, info.euid, info.suid, info.fsuid])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rustix::process::{PidfdFlags, getpid, getuid, pidfd_open};

    #[test]
    fn the_ids_of_the_caller_are_known() {
        let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        match pidfd_uids(&own) {
            Ok(uids) => assert_eq!(uids, [getuid().as_raw(); 4]),
            // An older kernel, or a parent in another pid namespace.
            Err(errno) => assert!([Errno::NOTTY, Errno::SRCH].contains(&errno), "{errno}"),
        }
    }

    #[test]
    fn what_is_no_process_has_none() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(pidfd_uids(&file).is_err());
    }
}

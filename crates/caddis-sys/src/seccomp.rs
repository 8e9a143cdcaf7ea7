use crate::checked;
use caddis_seccomp::Program;
use rustix::io::Errno;

/// Has the kernel run this program on every system call of the calling thread from now on, of what
/// it executes and of what it starts. Nothing removes it. It takes `CAP_SYS_ADMIN` in the caller's
/// user namespace, or `no_new_privs`.
///
/// Processors that mispredict loads after stores are not slowed down for it
/// (`SECCOMP_FILTER_FLAG_SPEC_ALLOW`; the kernel did that by default before 5.16): the filter keeps
/// nobody from memory.
///
/// # References
/// - [seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html)
pub fn install_filter(program: &Program) -> Result<(), Errno> {
    let mut filter: Vec<libc::sock_filter> = program
        .instructions()
        .iter()
        .map(|instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.if_true,
            jf: instruction.if_false,
            k: instruction.k,
        })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: `program` has the address of as many instructions as it says, and the kernel copies
    // them before it answers.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    };
    checked(answer)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use rustix::thread::set_no_new_privs;
    use std::fs::{File, OpenOptions};
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    fn under(filter: &caddis_seccomp::Filter, attacks: impl FnOnce() + Send + 'static) {
        let program = Program::of(filter).unwrap();
        let attacker = std::thread::spawn(move || {
            set_no_new_privs(true).unwrap();
            install_filter(&program).unwrap();
            attacks();
        });
        // A thread that is refused what it needs to end would not.
        attacker.join().unwrap();
    }

    fn call(number: libc::c_long, arguments: [libc::c_long; 5]) -> Result<i64, Errno> {
        let [a, b, c, d, e] = arguments;
        // SAFETY: each of the calls below is refused, or fails on arguments that lead nowhere.
        checked(unsafe { libc::syscall(number, a, b, c, d, e) })
    }

    /// What a reader of `caddis diff` cannot do any more, as the kernel says.
    #[test]
    fn a_reader_can_only_read() {
        under(&caddis_seccomp::reader(&[1, 2]), || {
            let mut motd = File::open("/proc/self/stat").unwrap();
            let mut text = String::new();
            motd.read_to_string(&mut text).unwrap();
            assert!(!text.is_empty());
            let path = c"/proc/self/comm".as_ptr() as libc::c_long;
            for (name, number, arguments) in [
                ("mount", libc::SYS_mount, [path, path, 0, 0, 0]),
                ("umount2", libc::SYS_umount2, [path, 0, 0, 0, 0]),
                ("open_tree", libc::SYS_open_tree, [-100, path, 1, 0, 0]),
                ("fsopen", libc::SYS_fsopen, [path, 0, 0, 0, 0]),
                ("unshare", libc::SYS_unshare, [0, 0, 0, 0, 0]),
                ("setns", libc::SYS_setns, [-1, 0, 0, 0, 0]),
                ("ptrace", libc::SYS_ptrace, [0, 0, 0, 0, 0]),
                ("execve", libc::SYS_execve, [path, 0, 0, 0, 0]),
                ("clone", libc::SYS_clone, [17, 0, 0, 0, 0]),
                ("socket", libc::SYS_socket, [1, 1, 0, 0, 0]),
                ("setresuid", libc::SYS_setresuid, [-1, -1, -1, 0, 0]),
                ("kill", libc::SYS_kill, [0, 0, 0, 0, 0]),
                ("dup", libc::SYS_dup, [1, 0, 0, 0, 0]),
                ("prctl", libc::SYS_prctl, [3, 0, 0, 0, 0]),
                ("ioctl", libc::SYS_ioctl, [0, 0x5413, 0, 0, 0]),
                (
                    "pwrite64",
                    libc::SYS_pwrite64,
                    [motd.as_raw_fd().into(), path, 0, 0, 0],
                ),
                (
                    "write",
                    libc::SYS_write,
                    [motd.as_raw_fd().into(), path, 0, 0, 0],
                ),
                ("openat", libc::SYS_openat, [-100, path, 1, 0, 0]),
                ("openat", libc::SYS_openat, [-100, path, 2, 0, 0]),
                ("seccomp", libc::SYS_seccomp, [0, 0, 0, 0, 0]),
            ] {
                assert_eq!(call(number, arguments), Err(Errno::NOSYS), "{name}");
            }
            assert!(
                OpenOptions::new()
                    .append(true)
                    .open("/proc/self/comm")
                    .is_err()
            );
        });
    }

    /// The same call does its work in a thread without the filter.
    #[test]
    fn a_filter_holds_for_the_thread_that_installs_it() {
        under(&caddis_seccomp::reader(&[1, 2]), || {
            assert_eq!(call(libc::SYS_dup, [1, 0, 0, 0, 0]), Err(Errno::NOSYS));
        });
        assert!(call(libc::SYS_prctl, [3, 0, 0, 0, 0]).is_ok());
    }
}

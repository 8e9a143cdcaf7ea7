//! The filter of `caddis diff`, which reads with rights that its caller lacks for as long as its
//! caller likes.

use crate::{Action, Architecture, Condition, Filter, Rule, Table};
use libc::{
    SYS_brk, SYS_close, SYS_exit, SYS_exit_group, SYS_fcntl, SYS_fgetxattr, SYS_fstat, SYS_futex,
    SYS_getdents64, SYS_getrandom, SYS_lgetxattr, SYS_llistxattr, SYS_lseek, SYS_mmap,
    SYS_mprotect, SYS_mremap, SYS_munmap, SYS_newfstatat, SYS_openat, SYS_openat2, SYS_pread64,
    SYS_read, SYS_readlinkat, SYS_restart_syscall, SYS_rt_sigaction, SYS_rt_sigprocmask,
    SYS_rt_sigreturn, SYS_sigaltstack, SYS_statx, SYS_write, SYS_writev,
};
use std::ffi::c_long;

/// The same number in every table; the C library has no name for it yet.
const SYS_LISTXATTRAT: c_long = 465;

/// What walking, reading, memory and ending need, whatever the arguments are.
///
/// A filter does not see the flags of openat2(2). A file that is opened so for writing is one that
/// the user may write, and write(2) does not write to it.
const ALWAYS: &[c_long] = &[
    SYS_openat2,
    SYS_close,
    SYS_read,
    SYS_pread64,
    SYS_lseek,
    SYS_getdents64,
    SYS_statx,
    SYS_fstat,
    SYS_newfstatat,
    SYS_readlinkat,
    SYS_fgetxattr,
    SYS_lgetxattr,
    SYS_llistxattr,
    SYS_LISTXATTRAT,
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_futex,
    SYS_getrandom,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
];

/// Everything by which openat(2) makes, empties or opens for writing.
const NOT_READING: u32 = 0o3 | 0o100 | 0o1000 | 0o20_000_000;
const PROT_EXEC: u32 = 4;
const MAP_SHARED: u32 = 1;
const MAP_ANONYMOUS: u32 = 0x20;
const F_GETFL: u32 = 3;

/// The only calls that a process that compares has. It writes to the descriptors `outputs` only.
#[must_use]
pub fn reader(outputs: &[u32]) -> Filter {
    let mut table = Table::new(Architecture::HERE[0], Action::errno(libc::ENOSYS));
    let mut allow = |call: c_long, conditions: &[Condition]| {
        if let Ok(call) = u32::try_from(call) {
            table.rules.push(Rule {
                call,
                conditions: conditions.to_vec(),
                action: Action::Allow,
            });
        }
    };
    for call in ALWAYS {
        allow(*call, &[]);
    }
    allow(SYS_openat, &[Condition::lacks(2, NOT_READING)]);
    for output in outputs {
        allow(SYS_write, &[Condition::is(0, *output)]);
        allow(SYS_writev, &[Condition::is(0, *output)]);
    }
    allow(SYS_fcntl, &[Condition::is(1, F_GETFL)]);
    let memory = [
        Condition::lacks(2, PROT_EXEC),
        Condition::lacks(3, MAP_SHARED),
        Condition::has(3, MAP_ANONYMOUS),
    ];
    allow(SYS_mmap, &memory);
    allow(SYS_mprotect, &[Condition::lacks(2, PROT_EXEC)]);
    Filter {
        tables: vec![table],
        other_tables: Action::Kill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Action = Action::errno(libc::ENOSYS);

    fn decide(call: c_long, arguments: [u64; 6]) -> Action {
        let native = Architecture::HERE[0].audit();
        reader(&[1, 2]).decide(native, u32::try_from(call).unwrap(), &arguments)
    }

    /// All numbers there are, and x32 ones: nothing is allowed but what is listed.
    #[test]
    fn no_other_call_is_allowed() {
        let some = [
            SYS_openat,
            SYS_write,
            SYS_writev,
            SYS_fcntl,
            SYS_mmap,
            SYS_mprotect,
        ];
        for number in 0..2000 {
            let listed = ALWAYS.contains(&number);
            let conditional = some.contains(&number);
            for arguments in [[0; 6], [u64::MAX; 6], [3; 6], [2; 6]] {
                let allowed = decide(number, arguments) == Action::Allow;
                assert!(!allowed || listed || conditional, "{number}");
            }
            assert_eq!(decide(number | 0x4000_0000, [0; 6]), NONE, "{number}");
            for other in &Architecture::HERE[1..] {
                let number = u32::try_from(number).unwrap();
                assert_eq!(
                    reader(&[1, 2]).decide(other.audit(), number, &[0; 6]),
                    Action::Kill
                );
            }
        }
        for harmful in [
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_fsopen,
            libc::SYS_setns,
            libc::SYS_unshare,
            libc::SYS_ptrace,
            libc::SYS_process_vm_writev,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_clone,
            libc::SYS_setresuid,
            libc::SYS_capset,
            libc::SYS_socket,
            libc::SYS_kill,
            libc::SYS_ioctl,
            libc::SYS_dup3,
            libc::SYS_unlinkat,
            libc::SYS_pwrite64,
            libc::SYS_bpf,
            libc::SYS_open_by_handle_at,
            libc::SYS_setxattr,
            libc::SYS_prctl,
            libc::SYS_sendmsg,
            libc::SYS_ftruncate,
        ] {
            assert_eq!(decide(harmful, [0; 6]), NONE, "{harmful}");
        }
    }

    #[test]
    fn files_are_opened_for_reading_only() {
        let open = |flags: i32| {
            decide(
                SYS_openat,
                [0, 0, u64::from(flags.cast_unsigned()), 0, 0, 0],
            )
        };
        for flags in [
            0,
            libc::O_PATH,
            libc::O_DIRECTORY | libc::O_NOFOLLOW,
            libc::O_CLOEXEC,
        ] {
            assert_eq!(open(flags), Action::Allow, "{flags:#o}");
        }
        for flags in [
            libc::O_WRONLY,
            libc::O_RDWR,
            libc::O_CREAT,
            libc::O_TRUNC,
            libc::O_TMPFILE,
            3,
        ] {
            assert_eq!(open(flags), NONE, "{flags:#o}");
            assert_eq!(open(flags | libc::O_CLOEXEC), NONE, "{flags:#o}");
        }
    }

    #[test]
    fn only_the_output_is_written() {
        for output in 0..20 {
            let allowed = [1, 2].contains(&output);
            for call in [SYS_write, SYS_writev] {
                assert_eq!(
                    decide(call, [output, 0, 0, 0, 0, 0]) == Action::Allow,
                    allowed
                );
            }
        }
    }

    #[test]
    fn memory_is_private_and_never_executed() {
        let map = |protection: i32, flags: i32| {
            decide(
                SYS_mmap,
                [
                    0,
                    4096,
                    u64::from(protection.cast_unsigned()),
                    u64::from(flags.cast_unsigned()),
                    0,
                    0,
                ],
            )
        };
        let (data, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
        assert_eq!(map(data, private | libc::MAP_ANONYMOUS), Action::Allow);
        assert_eq!(
            map(data | libc::PROT_EXEC, private | libc::MAP_ANONYMOUS),
            NONE
        );
        assert_eq!(map(data, libc::MAP_SHARED | libc::MAP_ANONYMOUS), NONE);
        assert_eq!(map(libc::PROT_READ, private), NONE);
    }
}

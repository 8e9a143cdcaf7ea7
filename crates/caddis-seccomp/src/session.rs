//! The filter of all that runs in an environment.
//!
//! The kernel counts some things for each uid and puts them into no memory cgroup. Root of an
//! environment has 65,536 ids, and would have as much for each of them. What is left of `struct
//! user_struct` is in a memory cgroup, if it is multiplied (watches of epoll, files on their way
//! through sockets, buffers of pipes); what is counted in `struct ucounts` is counted for the user
//! namespace as a whole, too.
//!
//! Errors are those of a kernel that lacks the thing, or does not give it to this user, since
//! programs know what to do then.

use crate::{Action, Architecture, Condition, Filter, Rule, Table};

/// What a session may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// perf_event_open(2), whose ring buffers are counted for each uid.
    ///
    /// A filter does not see ids: this is for the user's own, too, though their events are theirs
    /// on the host as well.
    pub perf_events: bool,
    /// add_key(2), keyctl(2), request_key(2), pipes for notifications, which only keys send, and
    /// keys of encrypted directories (fscrypt), which count against the same quota of a uid.
    ///
    /// Not some operations of keyctl(2): most of them make the keyrings of a uid if it has none,
    /// which stay, and which each nested user namespace has of its own.
    pub keys: bool,
    /// The netlink connector, by which the kernel tells of every process that starts, ends or
    /// changes its ids.
    pub process_events: bool,
    /// io_uring, which makes sockets that no filter sees.
    pub io_uring: bool,
    /// socketcall(2), by which programs of 32 bits make sockets, with arguments that no filter
    /// sees.
    pub socketcall: bool,
}

/// The numbers of a call, in the order of [`Architecture`]: x86_64, i386, aarch64, arm.
type Numbers = [u32; 4];

const PERF_EVENT_OPEN: Numbers = [298, 336, 241, 364];
const ADD_KEY: Numbers = [248, 286, 217, 309];
const REQUEST_KEY: Numbers = [249, 287, 218, 310];
const KEYCTL: Numbers = [250, 288, 219, 311];
const PIPE2: Numbers = [293, 331, 59, 359];
const SOCKET: Numbers = [41, 359, 198, 281];
const IOCTL: Numbers = [16, 54, 29, 54];
const IO_URING: [Numbers; 3] = [[425; 4], [426; 4], [427; 4]];
/// Only programs for x86 of 32 bits have it.
const SOCKETCALL: u32 = 102;

const AF_NETLINK: u32 = 16;
const NETLINK_CONNECTOR: u32 = 11;
/// `_IOWR('f', 23, struct fscrypt_add_key_arg)` in the kernel's `include/uapi/linux/fscrypt.h`.
const FS_IOC_ADD_ENCRYPTION_KEY: u32 = 0xc050_6617;
/// `O_EXCL`, which means this for pipe2(2).
const O_NOTIFICATION_PIPE: u32 = 0o200;

impl Session {
    /// The filter that refuses the rest.
    #[must_use]
    pub fn filter(self) -> Filter {
        let tables = Architecture::HERE;
        Filter {
            tables: tables.iter().map(|table| self.table(*table)).collect(),
            // There is none. If there were, it would be a way around.
            other_tables: if self.refuses_nothing() {
                Action::Allow
            } else {
                Action::errno(libc::ENOSYS)
            },
        }
    }

    fn refuses_nothing(self) -> bool {
        self.perf_events && self.keys && self.process_events && self.io_uring && self.socketcall
    }

    fn table(self, architecture: Architecture) -> Table {
        let mut table = Table::new(architecture, Action::Allow).any_x32();
        let mut refuse = |numbers: Numbers, conditions: Vec<Condition>, action| {
            table.rules.push(Rule {
                call: numbers[architecture as usize],
                conditions,
                action,
            });
        };
        if !self.perf_events {
            // What kernel.perf_event_paranoid makes the kernel say.
            refuse(PERF_EVENT_OPEN, vec![], Action::errno(libc::EACCES));
        }
        if !self.keys {
            for call in [ADD_KEY, REQUEST_KEY, KEYCTL] {
                refuse(call, vec![], Action::errno(libc::ENOSYS));
            }
            let notifications = vec![Condition::has(1, O_NOTIFICATION_PIPE)];
            refuse(PIPE2, notifications, Action::errno(libc::ENOPKG));
            // What a file system without the feature says.
            let fscrypt = vec![Condition::is(1, FS_IOC_ADD_ENCRYPTION_KEY)];
            refuse(IOCTL, fscrypt, Action::errno(libc::EOPNOTSUPP));
        }
        if !self.process_events {
            let family = Condition::is(0, AF_NETLINK);
            let connector = vec![family, Condition::is(2, NETLINK_CONNECTOR)];
            refuse(SOCKET, connector, Action::errno(libc::EPROTONOSUPPORT));
        }
        if !self.io_uring {
            for call in IO_URING {
                // What kernel.io_uring_disabled makes the kernel say.
                refuse(call, vec![], Action::errno(libc::EPERM));
            }
        }
        if !self.socketcall && architecture == Architecture::I386 {
            refuse([SOCKETCALL; 4], vec![], Action::errno(libc::ENOSYS));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Program;

    const NOTHING: Session = Session {
        perf_events: false,
        keys: false,
        process_events: false,
        io_uring: false,
        socketcall: false,
    };
    const EVERYTHING: Session = Session {
        perf_events: true,
        keys: true,
        process_events: true,
        io_uring: true,
        socketcall: true,
    };

    #[test]
    fn numbers_are_those_of_the_machine() {
        let own = Architecture::HERE[0] as usize;
        for (numbers, number) in [
            (PERF_EVENT_OPEN, libc::SYS_perf_event_open),
            (ADD_KEY, libc::SYS_add_key),
            (REQUEST_KEY, libc::SYS_request_key),
            (KEYCTL, libc::SYS_keyctl),
            (PIPE2, libc::SYS_pipe2),
            (SOCKET, libc::SYS_socket),
            (IOCTL, libc::SYS_ioctl),
            (IO_URING[0], libc::SYS_io_uring_setup),
            (IO_URING[1], libc::SYS_io_uring_enter),
            (IO_URING[2], libc::SYS_io_uring_register),
        ] {
            assert_eq!(libc::c_long::from(numbers[own]), number);
        }
    }

    #[test]
    fn a_session_that_may_use_everything_needs_no_filter() {
        assert!(EVERYTHING.filter().allows_all());
        assert!(!NOTHING.filter().allows_all());
        for one in 0..5 {
            let mut session = EVERYTHING;
            *[
                &mut session.perf_events,
                &mut session.keys,
                &mut session.process_events,
                &mut session.io_uring,
                &mut session.socketcall,
            ][one] = false;
            let has_it = one != 4 || cfg!(target_arch = "x86_64");
            assert_eq!(
                session.filter().allows_all(),
                !has_it && session.refuses_nothing()
            );
        }
    }

    /// The keys of encrypted directories count for each uid as well; no other request is refused.
    #[test]
    fn of_the_requests_to_files_one_is_refused() {
        let filter = NOTHING.filter();
        for table in Architecture::HERE {
            let call = IOCTL[*table as usize];
            let decide =
                |request: u64| filter.decide(table.audit(), call, &[3, request, 0, 0, 0, 0]);
            let request = u64::from(FS_IOC_ADD_ENCRYPTION_KEY);
            let refused = Action::errno(libc::EOPNOTSUPP);
            assert_eq!(decide(request), refused);
            // The kernel takes the lower half only.
            assert_eq!(decide(request | 1 << 32), refused);
            for other in [0, 0x5401, 0x5413, request + 1, request - 1] {
                assert_eq!(decide(other), Action::Allow);
            }
        }
    }

    /// Every other number does what it always does, so that nothing of a program's breaks but what
    /// is refused on purpose.
    #[test]
    fn all_other_calls_are_allowed() {
        let filter = NOTHING.filter();
        for table in Architecture::HERE {
            let at = |numbers: &Numbers| numbers[*table as usize];
            let mut refused: Vec<u32> = [PERF_EVENT_OPEN, ADD_KEY, REQUEST_KEY, KEYCTL]
                .iter()
                .chain(&IO_URING)
                .map(at)
                .collect();
            if *table == Architecture::I386 {
                refused.push(SOCKETCALL);
            }
            for number in (0..2000).chain(0x4000_0000..0x4000_07d0) {
                let action = filter.decide(table.audit(), number, &[0; 6]);
                let known = refused.contains(&(number & table.mask()));
                assert_eq!(action == Action::Allow, !known, "{table:?} {number}");
            }
        }
    }

    #[test]
    fn of_sockets_only_the_connector_is_refused() {
        let filter = NOTHING.filter();
        let native = Architecture::HERE[0];
        let socket = |family: u64, kind: u64, protocol: u64| {
            let arguments = [family, kind, protocol, 7, 7, 7];
            filter.decide(native.audit(), SOCKET[native as usize], &arguments)
        };
        let high = 0xffff_ffff_0000_0000;
        let refused = Action::errno(libc::EPROTONOSUPPORT);
        for kind in [2, 3, 3 | 0o2_000_000 | 0o4000] {
            assert_eq!(socket(16, kind, 11), refused);
            assert_eq!(socket(16 | high, kind | high, 11 | high), refused);
            assert_eq!(socket(16, kind, 0), Action::Allow);
            assert_eq!(socket(2, kind, 11), Action::Allow);
        }
    }

    /// Each session's start compiles it, and the kernel runs it once for each call there is.
    #[test]
    fn the_program_is_short() {
        let default = Session {
            io_uring: true,
            socketcall: true,
            ..NOTHING
        };
        let program = Program::of(&default.filter()).unwrap();
        assert!(program.instructions().len() < 80, "{program:?}");
    }
}

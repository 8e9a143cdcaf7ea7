//! The system calls that `rustix` lacks, one family per file, each behind a safe function.
//!
//! This crate holds all of the core's `unsafe` code, so that every other crate can say
//! `#![forbid(unsafe_code)]`. It decides nothing: no policy, no paths, no messages. Everything here
//! acts on the calling thread or process and expects a program with one thread, which the helper is.

#![deny(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod close_range;
mod credentials;
mod execve;
pub mod fanotify;
mod file_handle;
mod fork;
mod inherited;
mod keyctl;
mod listxattrat;
mod memory;
mod mount_setattr;
mod pidfd_info;
mod scheduling;
mod seccomp;
mod signals;
mod title;
mod trace;
mod unshare;

pub use close_range::{close_all_but, close_from};
pub use credentials::{fs_ids, setfsgid, setfsuid};
pub use execve::execve;
pub use file_handle::{FileHandle, open_by_handle_at};
pub use fork::{Forked, Namespaces, end_in_user_namespace, fork};
pub use inherited::inherited;
pub use keyctl::join_new_session_keyring;
pub use listxattrat::listxattrat;
pub use memory::Code;
pub use mount_setattr::{MountAttr, mount_setattr};
pub use pidfd_info::pidfd_uids;
pub use scheduling::never_preempt;
pub use seccomp::install_filter;
pub use signals::{
    Caught, Signals, anybody_left, block_all, default_actions, empty_mask, ignore, kill_everyone,
    pidfd_send_signal, set_mask, signalfd,
};
pub use title::{replace_arguments, replace_arguments_and_variables};
pub use trace::let_go;
pub use unshare::unshare;

use rustix::io::Errno;

/// The error number that the C library left behind.
fn errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

/// The result of a call that answers -1 on failure.
fn checked(result: i64) -> Result<i64, Errno> {
    if result < 0 { Err(errno()) } else { Ok(result) }
}

//! Filters of system calls: what a session may not ask the kernel for, and the little that a reader
//! may.

use crate::error::{Context, Error, Result};
use caddis_policy::Kernel;
use caddis_seccomp::{Filter, Program, Session, reader};
use caddis_sys::install_filter;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Refuses what the policy does not leave to a session, to this process and all that come from it.
///
/// This needs `CAP_SYS_ADMIN` and no `no_new_privs`, so sudo goes on working inside. With
/// `CAP_SYS_ADMIN` over the machine the kernel also translates the program when other users'
/// programs have used up what it has for that (net.core.bpf_jit_limit); so this is done before the
/// process joins the instance.
pub(crate) fn filter_session(kernel: &Kernel) -> Result<()> {
    let filter = Session {
        perf_events: kernel.perf_events,
        keys: kernel.keys,
        process_events: kernel.process_events,
        io_uring: kernel.io_uring,
        socketcall: kernel.socketcall,
    }
    .filter();
    if filter.allows_all() {
        return Ok(());
    }
    install(&filter, "the session's filter of system calls").map_err(|error| {
        error.hint("with every key of [kernel] true in the policy, none is needed")
    })
}

/// Leaves this process nothing but reading what it has or can open, and writing to `outputs`.
pub(crate) fn filter_reader(outputs: &[BorrowedFd<'_>]) -> Result<()> {
    let numbers = outputs.iter().map(|output| output.as_raw_fd().try_into());
    // A descriptor has a number that is not negative.
    let numbers: Vec<u32> = numbers.filter_map(std::result::Result::ok).collect();
    install(&reader(&numbers), "the reader's filter of system calls")
}

fn install(filter: &Filter, object: &str) -> Result<()> {
    let program = Program::of(filter)
        .ok_or_else(|| Error::refused("make", object, "it is longer than the kernel takes"))?;
    install_filter(&program).doing("seccomp", || object)
}

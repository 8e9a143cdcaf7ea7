//! What of the kernel the processes of an environment may use.

/// The table `kernel`. What is off is refused by a filter of system calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// perf_event_open(2).
    pub perf_events: bool,
    /// Keyrings: add_key(2), keyctl(2), request_key(2).
    pub keys: bool,
    /// The netlink connector, which tells of all processes of the machine.
    pub process_events: bool,
    /// io_uring.
    pub io_uring: bool,
    /// socketcall(2), by which programs of 32 bits make sockets.
    pub socketcall: bool,
}

impl Default for Kernel {
    /// Off is what the kernel counts for each uid and nobody needs, and what tells of others. The
    /// last two are ways to the connector that no filter can see into; they are on, since without
    /// them ordinary programs break.
    fn default() -> Self {
        Self {
            perf_events: false,
            keys: false,
            process_events: false,
            io_uring: true,
            socketcall: true,
        }
    }
}

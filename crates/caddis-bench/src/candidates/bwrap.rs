//! bubblewrap with the host's own `/`, as it is: new namespaces, no private changes, no ids but the caller's.

/// The command.
pub const COMMAND: [&str; 9] = [
    "/usr/bin/bwrap",
    "--unshare-all",
    "--share-net",
    "--dev-bind",
    "/",
    "/",
    "--proc",
    "/proc",
    "true",
];

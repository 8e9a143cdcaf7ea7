//! Tells the service manager that the watcher watches; see sd_notify(3).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// As `caddis` hands it over.
const SOCKET: &str = "+NOTIFY_SOCKET";

/// Tells it, if there is one. That it does not listen is its own affair.
pub(super) fn tell() {
    let Some(name) = std::env::var_os(SOCKET) else {
        return;
    };
    let address = match name.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&name),
    };
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(b"READY=1", &address);
    }
}

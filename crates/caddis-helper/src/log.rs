//! One line in the system log for each start, join and refusal; see syslog(3) for the form.

use crate::caller::real_uid;
use crate::output::printable;
use caddis_view::Error;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with,
};

/// Facility authpriv, as for sudo and su; severities info and notice.
const INFO: u32 = (10 << 3) | 6;
const NOTICE: u32 = (10 << 3) | 5;

/// A session has begun: `what` is "start" or "join"; `login`: by logging in.
pub(crate) fn session(what: &str, uid: u32, environment: &str, role: &str, login: bool) {
    let caller = real_uid();
    let by = if caller == uid {
        String::new()
    } else {
        format!(" by={caller}")
    };
    let login = if login { " for=login" } else { "" };
    send(
        INFO,
        &format!("{what} uid={uid} env={environment} as={role}{login}{by}"),
    );
}

/// What belonged to an account that is gone was set aside.
pub(crate) fn set_aside(uid: u32, name: &str, directory: &str) {
    send(
        NOTICE,
        &format!("set aside uid={uid} of={name} as={directory}"),
    );
}

/// Something was refused or has failed.
pub(crate) fn refusal(error: &Error) {
    let uid = real_uid();
    send(NOTICE, &format!("refused uid={uid}: {error}"));
}

/// A log that nobody reads, or that is full, must not keep anybody out: it is tried once.
fn send(priority: u32, text: &str) {
    let send = || -> rustix::io::Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        let pid = std::process::id();
        let line = format!("<{priority}>caddis[{pid}]: {}", printable(text));
        let end = line.floor_char_boundary(2000);
        let line = &line.as_bytes()[..end];
        sendto(
            &socket,
            line,
            SendFlags::NOSIGNAL,
            &SocketAddrUnix::new("/dev/log")?,
        )?;
        Ok(())
    };
    let _ = send();
}

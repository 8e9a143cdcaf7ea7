//! What somebody can do whose login did not get into an environment.

use caddis_view::Error;
use rustix::system::uname;

/// The failure with a way out; what there is to say of the failure itself stays first. `host`: whether everybody may
/// have the plain host.
pub(crate) fn advise(mut error: Error, host: bool) -> Error {
    let name = uname();
    let name = name.nodename().to_string_lossy();
    let way = match host {
        true => format!("log in to the plain host with `ssh -t {name} caddis-login --host`"),
        false => format!(
            "the administrator of {name} can help, and finds this message in its system log (`journalctl -t caddis`)"
        ),
    };
    error.hint = Some(match error.hint {
        Some(hint) => format!("{hint}; or {way}"),
        None => way,
    });
    error
}

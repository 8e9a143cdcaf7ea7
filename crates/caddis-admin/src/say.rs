//! What this program writes. It is not setuid: its caller is root, and it writes as root.

use caddis_helper::output::{self, Teller, is_the_caller};
use caddis_view::Error;

/// Does something with the right to write.
fn with(action: impl FnOnce(&Teller)) {
    if let Some(teller) = is_the_caller() {
        action(&teller);
    }
}

pub(crate) fn error(error: &Error) {
    with(|teller| output::error(teller, error));
}

pub(crate) fn warn(text: &str) {
    with(|teller| output::warn(teller, text));
}

pub(crate) fn plain(text: &str) {
    with(|teller| output::plain(teller, text));
}

//! Only the paths.

use crate::helper::Change;
use crate::render::text::shown;

/// The path of a change on a line of its own; with `raw` as it is, ended by a NUL byte.
pub fn name(change: &Change, raw: bool) -> Vec<u8> {
    if raw {
        [change.path.as_slice(), b"\0"].concat()
    } else {
        format!("{}\n", shown(&change.path)).into_bytes()
    }
}

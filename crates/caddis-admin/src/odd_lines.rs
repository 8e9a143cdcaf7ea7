//! Warnings to root of malformed lines of the user database, which all programs skip.

use crate::say;
use caddis_helper::output::fields;
use caddis_policy::accounts::{TABLES, skipped};

/// So many of a file are named; that there are more is.
const MOST: usize = 20;

/// Names them, a line of fields each. A file that cannot be read is somebody else's to report.
pub(crate) fn tell() {
    for (path, table) in TABLES {
        let Ok(text) = std::fs::read(path) else {
            continue;
        };
        let mut lines = skipped(table, &text);
        for one in lines.by_ref().take(MOST) {
            say::plain(&fields(&[("warning", &format!("{path}: {one}"))]));
        }
        let more = lines.count();
        if more > 0 {
            let text = format!("{path}: {more} more lines are skipped");
            say::plain(&fields(&[("warning", &text)]));
        }
    }
}

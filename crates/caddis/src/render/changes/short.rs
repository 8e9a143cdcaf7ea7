//! A line for each change, as `git status --short` has them.

use crate::helper::Change;
use crate::render::style::{BAD, FAINT, GOOD, Look, WARN};
use crate::render::text::shown;

/// The line of a change. The path of a directory ends with a slash.
pub fn line(change: &Change, look: Look) -> String {
    let style = match change.letters.as_str() {
        "A" => GOOD,
        "D" => BAD,
        _ => WARN,
    };
    let letters = look.paint(style, &format!("{:<2}", change.letters));
    let slash = if change.is_directory() && change.path != b"/" {
        "/"
    } else {
        ""
    };
    let mut line = format!("{letters} {}{slash}", shown(&change.path));
    if let Some(from) = &change.from {
        line += &look.paint(FAINT, &format!(" (moved from {}/)", shown(from)));
    }
    if change.shadowed.is_some() {
        line += &look.paint(WARN, " (changed below since)");
    }
    line.push('\n');
    line
}

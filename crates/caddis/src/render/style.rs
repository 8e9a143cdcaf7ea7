//! Colour, where it helps and is wanted.

use std::ffi::OsStr;

use anstyle::{AnsiColor, Style};

/// How the output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether there may be colour.
    pub colour: bool,
    /// The terminal's width, if it is one.
    pub columns: Option<usize>,
}

/// Whether there may be colour: on a terminal that knows some, unless the user says otherwise (<https://no-color.org>).
pub fn wants_colour(is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty) && term.is_some_and(|term| term != "dumb")
}

/// Table heads.
pub const HEAD: Style = Style::new().bold();
/// Good.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Neither good nor bad, or not for long.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Bad.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Less important.
pub const FAINT: Style = Style::new().dimmed();

impl Look {
    /// For files, pipes and tests.
    #[cfg(test)]
    pub const PLAIN: Self = Self {
        colour: false,
        columns: None,
    };

    /// The text in that style.
    pub fn paint(self, style: Style, text: &str) -> String {
        if self.colour && style != Style::new() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_only_where_wanted() {
        let (xterm, dumb, one, empty) = (
            OsStr::new("xterm"),
            OsStr::new("dumb"),
            OsStr::new("1"),
            OsStr::new(""),
        );
        assert!(wants_colour(true, None, Some(xterm)));
        assert!(wants_colour(true, Some(empty), Some(xterm)));
        assert!(!wants_colour(false, None, Some(xterm)));
        assert!(!wants_colour(true, Some(one), Some(xterm)));
        assert!(!wants_colour(true, None, Some(dumb)));
        assert!(!wants_colour(true, None, None));
    }

    #[test]
    fn paints() {
        assert_eq!(Look::PLAIN.paint(BAD, "x"), "x");
        let colour = Look {
            colour: true,
            columns: None,
        };
        assert_eq!(colour.paint(FAINT, "x"), "\u{1b}[2mx\u{1b}[0m");
        assert_eq!(colour.paint(Style::new(), "x"), "x");
    }
}

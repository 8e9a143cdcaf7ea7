//! Text that fits: what is shown is [`shown`] first, then cut to the columns there are.

use unicode_width::UnicodeWidthStr;

pub use caddis_client::text::{quoted, shown};

/// Cut to what fits into so many columns, with a mark where something is missing.
pub fn fitted(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.chars() {
        cut.push(character);
        if cut.width() >= columns {
            cut.pop();
            break;
        }
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_by_columns() {
        assert_eq!(fitted("abc", 3), "abc");
        assert_eq!(fitted("abcd", 3), "ab…");
        assert_eq!(fitted("漢字漢", 5), "漢字…");
        assert_eq!(fitted("漢字漢", 4), "漢…");
    }

    proptest! {
        #[test]
        fn a_cut_text_fits(text in "\\PC*", columns in 1usize..40) {
            prop_assert!(fitted(&text, columns).width() <= columns);
        }
    }
}

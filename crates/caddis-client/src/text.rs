//! Text that came from elsewhere, made safe to show: a process may call itself anything, escape sequences included.

/// The bytes as text in which nothing can move the cursor, change a colour, or turn the direction of writing around.
/// What is not text is shown as `\xNN`, what is not visible as `\u{NNNN}`.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\u{1b}' => text.push_str("\\e"),
                _ if character.is_control() || is_invisible(character) => {
                    text.extend(character.escape_unicode())
                }
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The same between backticks, for messages.
pub fn quoted(bytes: &[u8]) -> String {
    format!("`{}`", shown(bytes))
}

/// Marks that change how the text around them is drawn without being seen: direction, joining, tags, byte order.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(shown(b"a\x1b[31mb\n\x9bc\x7f"), "a\\e[31mb\\n\\x9bc\\u{7f}");
        assert_eq!(
            shown("ü \u{202e}txt \u{9b}".as_bytes()),
            "ü \\u{202e}txt \\u{9b}"
        );
    }

    proptest! {
        #[test]
        fn no_control_character_survives(bytes: Vec<u8>) {
            prop_assert!(!shown(&bytes).chars().any(char::is_control));
        }
    }
}

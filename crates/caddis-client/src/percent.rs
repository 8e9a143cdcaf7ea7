//! The helper's encoding of values: `%XX` for bytes that could break a line, a field or a terminal.

/// Decodes a value. A `%` that does not begin two hexadecimal digits stands for itself: showing too much of a value is
/// better than losing it.
pub fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        decoded.push(match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    decoded
}

/// Encodes as the helper does. Used where bytes that are not UTF-8 must survive in JSON.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'%' | 0..0x20 | 0x7f.. => text.push_str(&format!("%{byte:02X}")),
            _ => text.push(char::from(*byte)),
        }
    }
    text
}

/// For JSON: the bytes as text, and encoded as well where text cannot hold them.
pub fn text(bytes: &[u8]) -> (String, Option<String>) {
    let encoded = std::str::from_utf8(bytes).is_err().then(|| encode(bytes));
    (String::from_utf8_lossy(bytes).into_owned(), encoded)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes() {
        assert_eq!(decode(b"a%20b%0a%25"), b"a b\n%");
        assert_eq!(decode(b"100% %4 %zz %"), b"100% %4 %zz %");
        assert_eq!(decode(b"%C3%bc"), "ü".as_bytes());
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert_eq!(decode(text.as_bytes()), bytes);
        }

        #[test]
        fn anything_can_be_decoded(bytes: Vec<u8>) {
            prop_assert!(decode(&bytes).len() <= bytes.len());
        }
    }
}

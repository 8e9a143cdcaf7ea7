//! Base64, as keys are written.

/// The bytes that a word stands for.
pub fn decode(word: &[u8]) -> Option<Vec<u8>> {
    let digits = word
        .strip_suffix(b"==")
        .or_else(|| word.strip_suffix(b"="))
        .unwrap_or(word);
    if !word.len().is_multiple_of(4) || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(word.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut value = 0u32;
        for digit in group {
            value = value << 6 | u32::from(value_of(*digit)?);
        }
        value <<= 6 * (4 - group.len());
        let [_, three @ ..] = value.to_be_bytes();
        bytes.extend(&three[..group.len() - 1]);
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut four = [0, 0, 0, 0];
        four[1..=group.len()].copy_from_slice(group);
        let value = u32::from_be_bytes(four);
        for place in 0..4 {
            text.push(if place <= group.len() {
                char::from(DIGITS[(value >> (18 - 6 * place) & 63) as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9vYg==", "foob"),
        ] {
            assert_eq!(decode(text.as_bytes()).unwrap(), bytes.as_bytes());
        }
        for wrong in [
            "Z", "Zg", "Zg=", "Z===", "Zm9v=", "Zm 9", "====", "Zg==Zg==",
        ] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn anything_can_be_looked_at(bytes: Vec<u8>) {
            decode(&bytes);
        }
    }
}

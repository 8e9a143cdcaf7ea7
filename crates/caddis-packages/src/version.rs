//! Which of two versions is the later one; see deb-version(7).

use std::cmp::Ordering;

/// Compares two versions as dpkg does.
#[must_use]
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let [a, b] = [a, b].map(parts);
    let number = |text| digits(text).0;
    numbers(number(a.0), number(b.0))
        .then_with(|| part(a.1, b.1))
        .then_with(|| part(a.2, b.2))
}

/// Epoch, upstream's version, Debian's revision.
fn parts(version: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let colon = version.iter().position(|byte| *byte == b':');
    let (epoch, rest) = colon.map_or((&b""[..], version), |at| {
        (&version[..at], &version[at + 1..])
    });
    let dash = rest.iter().rposition(|byte| *byte == b'-');
    let (upstream, revision) = dash.map_or((rest, &b""[..]), |at| (&rest[..at], &rest[at + 1..]));
    (epoch, upstream, revision)
}

/// Text and numbers in turns.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        let is_text = |text: &[u8]| text.first().is_some_and(|byte| !byte.is_ascii_digit());
        while is_text(a) || is_text(b) {
            match order(a.first()).cmp(&order(b.first())) {
                Ordering::Equal => (a, b) = (&a[1..], &b[1..]),
                other => return other,
            }
        }
        let ((first, rest_a), (second, rest_b)) = (digits(a), digits(b));
        match numbers(first, second) {
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            other => return other,
        }
    }
    Ordering::Equal
}

/// A tilde comes before the end, the end before letters, letters before everything else.
fn order(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None | Some(b'0'..=b'9') => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// Numbers of any length.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let [a, b] = [a, b].map(|digits| {
        let start = digits.iter().position(|digit| *digit != b'0');
        &digits[start.unwrap_or(digits.len())..]
    });
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_dpkg_compares() {
        let rising = [
            "0~rc1", "0", "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-0.1", "1.0-1", "1.0-1+b1",
            "1.0-1.1", "1.0-10", "1.0a", "1.0+dfsg", "1.2", "1.10", "2", "1:0.1", "2:0",
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(
                    compare(a.as_bytes(), b.as_bytes()),
                    at.cmp(&other),
                    "{a} {b}"
                );
            }
        }
        for (a, b) in [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.01", "1.1")] {
            assert_eq!(
                compare(a.as_bytes(), b.as_bytes()),
                Ordering::Equal,
                "{a} {b}"
            );
        }
    }
}

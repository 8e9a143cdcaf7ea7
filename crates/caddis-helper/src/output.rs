//! What the caller reads: messages on stderr, lines of fields on stdout. Nothing else writes there.
//! These functions take a [`Teller`], which proves that this process is the caller.

pub use crate::caller::{Teller, is_the_caller};
use caddis_view::Error;
pub use caddis_view::error::printable;
use caddis_view::error::write_all;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

/// Prints `caddis: …` and the hint. A message that cannot be written changes nothing.
pub fn error(teller: &Teller, error: &Error) {
    let mut text = format!("caddis: {}\n", printable(&error.to_string()));
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "  hint: {}", printable(hint));
    }
    to_stderr(teller, &text);
}

/// A message that does not end the request.
pub fn warn(teller: &Teller, text: &str) {
    to_stderr(teller, &format!("caddis: {}\n", printable(text)));
}

/// Prints a line as it is.
pub fn plain(teller: &Teller, text: &str) {
    let _ = bytes(teller, format!("{text}\n").as_bytes());
}

/// Writes to standard output.
#[expect(clippy::disallowed_methods, reason = "the one place")]
pub fn bytes(_: &Teller, bytes: &[u8]) -> Result<(), Errno> {
    write_all(rustix::stdio::stdout(), bytes)
}

#[expect(clippy::disallowed_methods, reason = "the one place")]
fn to_stderr(_: &Teller, text: &str) {
    let _ = write_all(rustix::stdio::stderr(), text.as_bytes());
}

/// A value of the caller's as a message shows it: in quotes, and only its beginning when it is very long.
pub fn quoted(value: impl AsRef<OsStr>) -> String {
    const MOST: usize = 200;
    let value = value.as_ref();
    match value.as_bytes().split_at_checked(MOST) {
        Some((start, rest)) if !rest.is_empty() => format!("{:?}...", OsStr::from_bytes(start)),
        _ => format!("{value:?}"),
    }
}

/// A line of `key=value` fields, separated by tabs; values are percent-encoded.
#[must_use]
pub fn fields(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("{key}={}", encode(value.as_bytes())))
        .collect();
    fields.join("\t")
}

/// Percent-encodes what is not printable ASCII.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    encode_into(&mut text, bytes);
    text
}

/// The same, at the end of a text.
pub fn encode_into(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'%' | 0..0x20 | 0x7f.. => {
                let _ = write!(text, "%{byte:02X}");
            }
            other => text.push(char::from(*other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_is_printed() {
        assert_eq!(encode(b"a\tb%\x1b[\xff c"), "a%09b%25%1B[%FF c");
        assert_eq!(quoted(OsStr::from_bytes(b"a\n\xff")), r#""a\n\xFF""#);
        assert_eq!(quoted("x".repeat(100_000)).len(), 205);
        assert_eq!(printable("a\x1b[31m\n"), "a\\u{1b}[31m\\n");
    }
}

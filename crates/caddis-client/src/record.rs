//! One line of the helper's answer: `key=value` fields separated by tabs.

use std::str::FromStr;

use crate::error::Error;
use crate::percent;

/// The fields of a line, values decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Record {
    /// Reads a line. Fields that are not `key=value` are passed over, as are keys nobody asks for, so that a newer
    /// helper may say more.
    pub fn parse(line: &[u8]) -> Self {
        let fields = line.split(|byte| *byte == b'\t').filter_map(|field| {
            let at = field.iter().position(|byte| *byte == b'=')?;
            Some((field[..at].to_vec(), percent::decode(&field[at + 1..])))
        });
        Self {
            fields: fields.collect(),
        }
    }

    /// A field's bytes.
    pub fn bytes(&self, key: &str) -> Result<&[u8], Error> {
        let field = self.fields.iter().find(|(name, _)| name == key.as_bytes());
        field
            .map(|(_, value)| value.as_slice())
            .ok_or_else(|| wrong(key, "is missing"))
    }

    /// A field's text; bytes that are not UTF-8 are replaced. For what is text by definition (states, names).
    pub fn text(&self, key: &str) -> Result<String, Error> {
        self.bytes(key)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// A field's number.
    pub fn number<T: FromStr>(&self, key: &str) -> Result<T, Error> {
        self.text(key)?
            .parse()
            .map_err(|_| wrong(key, "is not a number"))
    }

    /// A field's number, where `-` says that there is none.
    pub fn maybe_number<T: FromStr>(&self, key: &str) -> Result<Option<T>, Error> {
        match self.bytes(key)? {
            b"-" => Ok(None),
            _ => self.number(key).map(Some),
        }
    }
}

fn wrong(key: &str, what: &str) -> Error {
    Error::failed(format!("read the helper's answer: field `{key}` {what}"))
        .hint("the helper and this program are of different versions; install both again")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields() {
        let record = Record::parse(b"uid=1000\tname=a%09b\tnonsense\tsession=-\tcommand=x=y");
        assert_eq!(record.number::<u32>("uid").unwrap(), 1000);
        assert_eq!(record.text("name").unwrap(), "a\tb");
        assert_eq!(record.maybe_number::<u32>("session").unwrap(), None);
        assert_eq!(record.bytes("command").unwrap(), b"x=y");
    }

    #[test]
    fn says_which_field_is_wrong() {
        let record = Record::parse(b"uid=many");
        assert!(
            record
                .number::<u32>("uid")
                .unwrap_err()
                .to_string()
                .contains("field `uid` is not a number")
        );
        assert!(
            record
                .text("name")
                .unwrap_err()
                .to_string()
                .contains("field `name` is missing")
        );
    }
}

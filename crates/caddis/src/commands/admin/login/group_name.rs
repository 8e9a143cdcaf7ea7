//! A group's name that sshd's lists can hold.

use std::fmt;

/// Longer patterns match nothing in sshd (1023 bytes), so a group that is to be left out would not be.
const LONGEST: usize = 256;

/// A name that means itself and nothing else between the commas of a `Match Group` line. sshd's patterns have no way to
/// quote `*`, `?`, `!` or a comma; quotes, `=` and `#` are taken apart before, by rules that differ between its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName(String);

impl GroupName {
    /// Checks the name; what is wrong with it otherwise, to be said after "the name".
    pub fn new(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Err("is empty".to_owned());
        }
        if name.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        // sshd may take such a space for one between words.
        if name.starts_with(' ') || name.ends_with(' ') {
            return Err("begins or ends with a space".to_owned());
        }
        let mut characters = name.chars().peekable();
        while let Some(character) = characters.next() {
            let next = characters.peek().copied();
            if !stands_for_itself(character, next) {
                return Err(format!(
                    "has a character in it that sshd does not take as such: {character:?}"
                ));
            }
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for GroupName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A backslash stands between domain and name with winbind; before anything but a letter or digit sshd may take it away.
fn stands_for_itself(character: char, next: Option<char>) -> bool {
    match character {
        '\\' => next.is_some_and(char::is_alphanumeric),
        ' ' | '_' | '-' | '.' | '@' | '+' | '$' => true,
        _ => character.is_alphanumeric(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_directory_services_pass() {
        for name in [
            "proj",
            "domain users",
            "DOM\\staff",
            "staff@example.org",
            "gruppe-ä",
            "host$",
            "a.b_c+d",
        ] {
            assert_eq!(GroupName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_sshd_would_read_otherwise_is_refused() {
        for name in [
            "",
            " a",
            "a ",
            "*",
            "a?",
            "!sudo",
            "a,b",
            "a\"b",
            "a'b",
            "a=b",
            "#a",
            "a\nb",
            "a\tb",
            "a\u{a0}b",
            "a\\",
            "a\\ b",
            "a\\\\b",
            "a\\\"b",
            "a:b",
            "a\u{202e}b",
        ] {
            assert!(GroupName::new(name).is_err(), "{name:?}");
        }
        assert!(GroupName::new(&"a".repeat(LONGEST + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_name_has_a_sign_of_sshds(name in "\\PC*") {
            if GroupName::new(&name).is_ok() {
                prop_assert!(!name.contains(['*', '?', '!', ',', '"', '\'', '=', '#']));
            }
        }
    }
}

//! What is wrong with a policy.

use std::fmt;

/// One thing that is wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{}{problem}{}", Place(self), Allowed(self.allowed.as_deref()))]
pub struct PolicyError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The key as `table.key`, or the table alone; none if the text is no TOML at that place.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub allowed: Option<String>,
}

struct Place<'a>(&'a PolicyError);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PolicyError {
            line, column, key, ..
        } = self.0;
        match key {
            Some(key) => write!(f, "line {line}, key `{key}`: "),
            None => write!(f, "line {line}, column {column}: "),
        }
    }
}

struct Allowed<'a>(Option<&'a str>);

impl fmt::Display for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |allowed| write!(f, "; allowed: {allowed}"))
    }
}

/// Everything that is wrong with a policy, from its beginning to its end; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Lines(.0))]
pub struct PolicyErrors(Vec<PolicyError>);

struct Lines<'a>(&'a [PolicyError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl PolicyErrors {
    /// `None` if there are none.
    pub(crate) fn collect(mut errors: Vec<PolicyError>) -> Option<Self> {
        errors.sort();
        errors.dedup();
        if errors.is_empty() {
            None
        } else {
            Some(Self(errors))
        }
    }

    /// The errors, in the order of the text.
    #[must_use]
    pub fn as_slice(&self) -> &[PolicyError] {
        &self.0
    }

    /// The errors, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, PolicyError> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a PolicyErrors {
    type Item = &'a PolicyError;
    type IntoIter = std::slice::Iter<'a, PolicyError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

//! JSON output: two spaces, a final newline, and field names that stay.

use serde::Serialize;

use crate::error::Error;

/// Renders a value.
pub fn json(value: &impl Serialize) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::failed(format!("render JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

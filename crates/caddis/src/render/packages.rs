//! Packages that are not as in the base, as a table and as JSON.

use anstyle::Style;
use caddis_packages::{Change, Kind};
use serde::Serialize;

use super::json::json;
use super::style::{BAD, GOOD, Look, WARN};
use super::table::{Cell, cell, left, styled, table};
use super::text::shown;
use crate::error::Error;

/// What a kind is called, and how it looks.
fn word(kind: Kind) -> (&'static str, Style) {
    match kind {
        Kind::Added => ("added", GOOD),
        Kind::Upgraded => ("upgraded", WARN),
        Kind::Downgraded => ("downgraded", WARN),
        Kind::Changed => ("changed", WARN),
        Kind::Removed => ("removed", BAD),
        Kind::Held => ("held", WARN),
    }
}

/// A table; nothing if nothing differs.
pub fn as_table(changes: &[Change], look: Look) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let columns = [left("CHANGE"), left("PACKAGE"), left("BASE"), left("YOURS")];
    let row = |change: &Change| -> Vec<Cell> {
        let (word, style) = word(change.kind);
        let version = |version: &Option<String>| {
            cell(
                version
                    .as_ref()
                    .map_or("-".to_owned(), |text| shown(text.as_bytes())),
            )
        };
        vec![
            styled(word, style),
            cell(shown(change.package.as_bytes())),
            version(&change.base),
            version(&change.user),
        ]
    };
    table(&columns, &changes.iter().map(row).collect::<Vec<_>>(), look)
}

#[derive(Serialize)]
struct Json<'a> {
    package: &'a str,
    architecture: &'a str,
    change: &'static str,
    base: Option<&'a str>,
    yours: Option<&'a str>,
}

/// An array of objects.
pub fn as_json(changes: &[Change]) -> Result<String, Error> {
    let objects: Vec<Json> = changes
        .iter()
        .map(|change| Json {
            package: &change.package,
            architecture: &change.architecture,
            change: word(change.kind).0,
            base: change.base.as_deref(),
            yours: change.user.as_deref(),
        })
        .collect();
    json(&objects)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn changes() -> [Change; 2] {
        let version = |text: &str| Some(text.to_owned());
        let added = Change {
            package: "cowsay".into(),
            architecture: "all".into(),
            kind: Kind::Added,
            base: None,
            user: version("3.03"),
        };
        let upgraded = Change {
            package: "x\x1b[31m".into(),
            kind: Kind::Upgraded,
            base: version("1.0"),
            user: version("2.0"),
            ..added.clone()
        };
        [added, upgraded]
    }

    #[test]
    fn a_table() {
        let expected = "\
CHANGE    PACKAGE  BASE  YOURS
added     cowsay   -     3.03
upgraded  x\\e[31m  1.0   2.0
";
        assert_eq!(as_table(&changes(), Look::PLAIN), expected);
        assert_eq!(as_table(&[], Look::PLAIN), "");
    }

    #[test]
    fn json_keeps_its_fields() {
        let value: serde_json::Value =
            serde_json::from_str(&as_json(&changes()[..1]).unwrap()).unwrap();
        let expected = serde_json::json!([
            { "package": "cowsay", "architecture": "all", "change": "added", "base": null, "yours": "3.03" },
        ]);
        assert_eq!(value, expected);
        assert_eq!(as_json(&[]).unwrap(), "[]\n");
    }
}

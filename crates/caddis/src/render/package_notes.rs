//! What there is to say of an environment's packages, after they were brought together with the base's.

use serde::Serialize;

use super::style::{FAINT, Look, WARN};
use super::text::shown;
use crate::error::Error;
use crate::helper::record::Record;

/// A line of the helper's `packages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Note {
    /// User and administrator have changed the same package; the user's stays. A version that is empty: none.
    Conflict {
        package: String,
        base: String,
        yours: String,
    },
    /// A file beside the database could not be merged.
    Left { file: String, reason: String },
    /// Nothing could be merged.
    Failed { reason: String },
}

impl Note {
    /// Reads a line.
    pub fn read(record: &Record) -> Result<Self, Error> {
        if let Ok(package) = record.text("package") {
            return Ok(Self::Conflict {
                package,
                base: record.text("base")?,
                yours: record.text("user")?,
            });
        }
        Ok(match record.text("left") {
            Ok(file) => Self::Left {
                file,
                reason: record.text("reason")?,
            },
            Err(_) => Self::Failed {
                reason: record.text("failed")?,
            },
        })
    }
}

/// For people; nothing, if there is nothing to say.
pub fn as_text(notes: &[Note], look: Look) -> String {
    let (mut conflicts, mut others) = (String::new(), String::new());
    for note in notes {
        match note {
            Note::Conflict {
                package,
                base,
                yours,
            } => {
                let package = look.paint(WARN, &shown(package.as_bytes()));
                let [yours, base] = [yours, base].map(|version| match version.as_str() {
                    "" => "removed".to_owned(),
                    version => shown(version.as_bytes()),
                });
                conflicts += &format!("        {package} (yours {yours}, the base's {base})\n");
            }
            Note::Left { file, reason } => {
                let [file, reason] = [file, reason].map(|text| shown(text.as_bytes()));
                others += &format!("The package database's {file} is yours alone: {reason}\n");
            }
            Note::Failed { reason } => {
                let reason = shown(reason.as_bytes());
                others += &format!("The package database is yours alone: {reason}\n");
            }
        }
    }
    if !conflicts.is_empty() {
        let hint = look.paint(
            FAINT,
            "  (use `caddis diff --packages` to see all of yours)",
        );
        conflicts = format!(
            "\nPackages that the administrator has changed, too; yours stay:\n{hint}\n{conflicts}"
        );
    }
    if !others.is_empty() {
        others = format!("\n{others}");
    }
    conflicts + &others
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_named() {
        let read = |line: &[u8]| Note::read(&Record::parse(line)).unwrap();
        let notes = [
            read(b"package=tree\tbase=2.1\tuser="),
            read(b"left=diversions\treason=it is damaged"),
            read(b"failed=dpkg is running"),
        ];
        let expected = "
Packages that the administrator has changed, too; yours stay:
  (use `caddis diff --packages` to see all of yours)
        tree (yours removed, the base's 2.1)

The package database's diversions is yours alone: it is damaged
The package database is yours alone: dpkg is running
";
        assert_eq!(as_text(&notes, Look::PLAIN), expected);
        assert_eq!(as_text(&[], Look::PLAIN), "");
    }
}

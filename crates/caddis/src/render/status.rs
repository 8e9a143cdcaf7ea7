//! An environment at a glance, in the manner of `git status`.

use serde::Serialize;

use super::age::ago;
use super::json::json;
use super::package_notes::{self, Note};
use super::size::size;
use super::style::{FAINT, Look, WARN};
use super::text::shown;
use crate::error::Error;
use crate::helper::{Change, Environment, percent};

/// The changes in numbers. A file with other content and another owner counts twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub added: u64,
    pub modified: u64,
    pub deleted: u64,
    #[serde(rename = "type")]
    pub of_another_type: u64,
    pub permissions: u64,
}

/// What is told of the changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    pub counts: Counts,
    /// Paths of the user's own versions, and when the base's was changed.
    pub shadowed: Vec<(Vec<u8>, u64)>,
    /// What there is to say of packages.
    pub packages: Vec<Note>,
}

/// Written by programs all the time, on either side, and nobody's to customise; and package databases, which are brought
/// together with the base's.
const NOT_CUSTOMISED: [&[u8]; 4] = [
    b"/var/cache/",
    b"/var/lib/apt/extended_states",
    b"/var/lib/dpkg/",
    b"/var/log/",
];

impl Status {
    /// Takes one more change into account.
    pub fn count(&mut self, change: &Change) {
        let counts = &mut self.counts;
        for letter in change.letters.chars() {
            *match letter {
                'A' => &mut counts.added,
                'M' => &mut counts.modified,
                'D' => &mut counts.deleted,
                'T' => &mut counts.of_another_type,
                _ => &mut counts.permissions,
            } += 1;
        }
        let skipped = |place: &&[u8]| change.path.starts_with(place);
        if let Some(when) = change.shadowed
            && !NOT_CUSTOMISED.iter().any(skipped)
        {
            self.shadowed.push((change.path.clone(), when));
        }
    }
}

/// For people.
pub fn as_text(environment: &Environment, status: &Status, now: u64, look: Look) -> String {
    let name = shown(environment.name.as_bytes());
    let sessions = match environment.sessions {
        0 => String::new(),
        1 => ", 1 session".to_owned(),
        count => format!(", {count} sessions"),
    };
    let state = shown(environment.state.as_bytes());
    let size = size(environment.bytes);
    let mut text = format!("Environment {name}: {state}{sessions}, {size}\n");
    text += &match counted(&status.counts) {
        parts if parts.is_empty() => "Nothing is changed.\n".to_owned(),
        parts => format!(
            "Changes: {}\n{}\n",
            parts.join(", "),
            look.paint(FAINT, "  (use `caddis diff` to see them)")
        ),
    };
    let packages = package_notes::as_text(&status.packages, look);
    if status.shadowed.is_empty() {
        return text + &packages;
    }
    text += "\nCustomised, and changed below since:\n";
    text += &look.paint(
        FAINT,
        "  (use `caddis diff PATH` to see how yours differs, `caddis revert PATH` to go back to the base's)",
    );
    text += "\n";
    for (path, when) in &status.shadowed {
        let path = look.paint(WARN, &shown(path));
        text += &format!("        {path} ({})\n", ago(*when, now));
    }
    text + &packages
}

/// Those that there are any of.
fn counted(counts: &Counts) -> Vec<String> {
    let all = [
        (counts.added, "added"),
        (counts.modified, "modified"),
        (counts.deleted, "deleted"),
        (counts.of_another_type, "of another type"),
        (counts.permissions, "with other permissions"),
    ];
    let some = all.iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}"))
        .collect()
}

#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    uid: u32,
    state: &'a str,
    sessions: u64,
    bytes: u64,
    used: Option<u64>,
    changes: &'a Counts,
    shadowed: Vec<Shadowed>,
    packages: &'a [Note],
}

/// As in `caddis diff --json`.
#[derive(Serialize)]
struct Shadowed {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_encoded: Option<String>,
    changed: u64,
}

/// For programs.
pub fn as_json(environment: &Environment, status: &Status) -> Result<String, Error> {
    let shadowed = status.shadowed.iter().map(|(path, changed)| {
        let (path, path_encoded) = percent::text(path);
        Shadowed {
            path,
            path_encoded,
            changed: *changed,
        }
    });
    json(&Json {
        name: &environment.name,
        uid: environment.uid,
        state: &environment.state,
        sessions: environment.sessions,
        bytes: environment.bytes,
        used: environment.used,
        changes: &status.counts,
        shadowed: shadowed.collect(),
        packages: &status.packages,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            uid: 1000,
            name: "default".into(),
            state: "running".into(),
            sessions: 2,
            bytes: 12_288,
            used: None,
        }
    }

    fn change(letters: &str, path: &str, shadowed: Option<u64>) -> Change {
        Change {
            letters: letters.into(),
            path: path.into(),
            from: None,
            shadowed,
            old: None,
            new: None,
        }
    }

    #[test]
    fn at_a_glance() {
        let mut status = Status::default();
        let text = as_text(&environment(), &status, 0, Look::PLAIN);
        assert_eq!(
            text,
            "Environment default: running, 2 sessions, 12 KiB\nNothing is changed.\n"
        );
        for (letters, path, shadowed) in [
            ("A", "/a", None),
            ("MP", "/m\u{1b}", Some(100)),
            ("D", "/d", None),
        ] {
            status.count(&change(letters, path, shadowed));
        }
        let expected = "\
Environment default: running, 2 sessions, 12 KiB
Changes: 1 added, 1 modified, 1 deleted, 1 with other permissions
  (use `caddis diff` to see them)

Customised, and changed below since:
  (use `caddis diff PATH` to see how yours differs, `caddis revert PATH` to go back to the base's)
        /m\\e (2 hours ago)
";
        assert_eq!(
            as_text(&environment(), &status, 7300, Look::PLAIN),
            expected
        );
        let value: serde_json::Value =
            serde_json::from_str(&as_json(&environment(), &status).unwrap()).unwrap();
        let counts = serde_json::json!({ "added": 1, "modified": 1, "deleted": 1, "type": 0, "permissions": 1 });
        assert_eq!(value["changes"], counts);
        assert_eq!(
            value["shadowed"],
            serde_json::json!([{ "path": "/m\u{1b}", "changed": 100 }])
        );
    }
}

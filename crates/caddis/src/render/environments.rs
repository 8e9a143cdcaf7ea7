//! Environments as a table and as JSON.

use serde::Serialize;

use super::age::ago;
use super::json::json;
use super::size::size;
use super::style::{FAINT, GOOD, Look, WARN};
use super::table::{Cell, cell, left, right, styled, table};
use super::text::shown;
use crate::error::Error;
use crate::helper::Environment;

/// A table; with the owners' names where several users' environments are shown.
pub fn as_table(
    list: &[Environment],
    owner: Option<&dyn Fn(u32) -> String>,
    now: u64,
    look: Look,
) -> String {
    let mut columns = vec![
        left("NAME"),
        left("STATE"),
        right("SESSIONS"),
        right("CHANGES"),
        left("LAST USE"),
    ];
    if owner.is_some() {
        columns.insert(0, left("USER"));
    }
    let row = |environment: &Environment| {
        let user = owner.map(|owner| cell(shown(owner(environment.uid).as_bytes())));
        user.into_iter().chain(cells(environment, now)).collect()
    };
    table(&columns, &list.iter().map(row).collect::<Vec<_>>(), look)
}

fn cells(environment: &Environment, now: u64) -> [Cell; 5] {
    let state = match environment.state.as_str() {
        "running" => GOOD,
        "idle" => WARN,
        _ => FAINT,
    };
    let sessions = match environment.sessions {
        0 => styled("-", FAINT),
        count => cell(count.to_string()),
    };
    let used = match environment.used {
        Some(then) => cell(ago(then, now)),
        None => styled("never", FAINT),
    };
    [
        cell(shown(environment.name.as_bytes())),
        styled(shown(environment.state.as_bytes()), state),
        sessions,
        cell(size(environment.bytes)),
        used,
    ]
}

#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    state: &'a str,
    sessions: u64,
    bytes: u64,
    used: Option<u64>,
}

/// An array of objects.
pub fn as_json(
    list: &[Environment],
    owner: Option<&dyn Fn(u32) -> String>,
) -> Result<String, Error> {
    let objects: Vec<Json> = list
        .iter()
        .map(|environment| Json {
            name: &environment.name,
            uid: environment.uid,
            user: owner.map(|owner| owner(environment.uid)),
            state: &environment.state,
            sessions: environment.sessions,
            bytes: environment.bytes,
            used: environment.used,
        })
        .collect();
    json(&objects)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn list() -> [Environment; 2] {
        let default = Environment {
            uid: 1000,
            name: "default".into(),
            state: "running".into(),
            sessions: 2,
            bytes: 1_572_864,
            used: Some(1_000_000),
        };
        let other = Environment {
            name: "odd".into(),
            state: "stopped".into(),
            sessions: 0,
            bytes: 0,
            used: None,
            ..default.clone()
        };
        [default, other]
    }

    #[test]
    fn a_table() {
        let expected = "\
NAME     STATE    SESSIONS  CHANGES  LAST USE
default  running         2  1.5 MiB  2 hours ago
odd      stopped         -      0 B  never
";
        assert_eq!(as_table(&list(), None, 1_007_200, Look::PLAIN), expected);
    }

    #[test]
    fn a_table_with_owners() {
        let owner = |uid: u32| format!("user{uid}");
        let text = as_table(&list(), Some(&owner), 1_007_200, Look::PLAIN);
        assert!(text.starts_with("USER      NAME "), "{text}");
        assert!(text.contains("\nuser1000  default  running"), "{text}");
    }

    #[test]
    fn json_keeps_its_fields() {
        let value: serde_json::Value =
            serde_json::from_str(&as_json(&list(), None).unwrap()).unwrap();
        let expected = serde_json::json!([
            { "name": "default", "uid": 1000, "state": "running", "sessions": 2, "bytes": 1_572_864, "used": 1_000_000 },
            { "name": "odd", "uid": 1000, "state": "stopped", "sessions": 0, "bytes": 0, "used": null },
        ]);
        assert_eq!(value, expected);
        assert_eq!(as_json(&[], None).unwrap(), "[]\n");
    }
}

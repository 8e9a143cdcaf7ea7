//! Environments whose account is gone, as a table and as JSON.

use serde::Serialize;

use super::age::ago;
use super::json::json;
use super::size::size;
use super::style::{FAINT, Look};
use super::table::{Cell, cell, left, right, styled, table};
use super::text::shown;
use crate::error::Error;
use crate::helper::Orphan;

/// A table.
pub fn as_table(list: &[Orphan], now: u64, look: Look) -> String {
    let columns = [
        left("USER"),
        right("UID"),
        left("NAME"),
        left("STATE"),
        right("CHANGES"),
        left("LAST USE"),
        left("DIRECTORY"),
    ];
    let row = |orphan: &Orphan| -> Vec<Cell> {
        let used = match orphan.used {
            Some(then) => cell(ago(then, now)),
            None => styled("never", FAINT),
        };
        let or_none = |text: &[u8]| match text {
            b"" => styled("-", FAINT),
            text => cell(shown(text)),
        };
        vec![
            or_none(&orphan.user),
            cell(orphan.uid.to_string()),
            or_none(orphan.name.as_bytes()),
            cell(shown(orphan.state.as_bytes())),
            cell(size(orphan.bytes)),
            used,
            cell(shown(orphan.directory.as_bytes())),
        ]
    };
    table(&columns, &list.iter().map(row).collect::<Vec<_>>(), look)
}

#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    uid: u32,
    user: String,
    state: &'a str,
    bytes: u64,
    used: Option<u64>,
    directory: &'a str,
}

/// An array of objects.
pub fn as_json(list: &[Orphan]) -> Result<String, Error> {
    let objects: Vec<Json> = list
        .iter()
        .map(|orphan| Json {
            name: &orphan.name,
            uid: orphan.uid,
            user: String::from_utf8_lossy(&orphan.user).into_owned(),
            state: &orphan.state,
            bytes: orphan.bytes,
            used: orphan.used,
            directory: &orphan.directory,
        })
        .collect();
    json(&objects)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_json() {
        let list = [Orphan {
            directory: ".orphan-1500-1".into(),
            uid: 1500,
            user: b"mal\x1b".to_vec(),
            name: "default".into(),
            state: "set-aside".into(),
            bytes: 4096,
            used: None,
        }];
        let text = as_table(&list, 0, Look::PLAIN);
        assert!(
            text.contains(" 1500  default  set-aside    4 KiB  never "),
            "{text}"
        );
        assert!(!text.contains('\x1b'), "{text}");
        let value: serde_json::Value = serde_json::from_str(&as_json(&list).unwrap()).unwrap();
        assert_eq!(value[0]["directory"], ".orphan-1500-1");
    }
}

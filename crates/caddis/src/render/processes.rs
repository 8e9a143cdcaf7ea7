//! Processes as a table and as JSON.

use serde::Serialize;

use super::age::elapsed;
use super::json::json;
use super::style::{FAINT, Look};
use super::table::{cell, left, right, styled, table};
use super::text::shown;
use crate::error::Error;
use crate::helper::{Process, percent};

/// A table. `name` gives users their names; `owners` adds whose environment each process is in.
pub fn as_table(
    list: &[Process],
    name: &dyn Fn(u32) -> String,
    owners: bool,
    now: u64,
    look: Look,
) -> String {
    let mut columns = vec![
        left("ENV"),
        right("PID"),
        left("USER"),
        right("SESSION"),
        left("TTY"),
        right("TIME"),
        left("COMMAND"),
    ];
    if owners {
        columns.insert(0, left("OWNER"));
        columns.insert(3, right("HOST PID"));
    }
    let row = |process: &Process| {
        let dash = || styled("-", FAINT);
        let mut cells = vec![
            process
                .environment
                .as_ref()
                .map_or_else(dash, |name| cell(shown(name.as_bytes()))),
            cell(process.pid.to_string()),
            cell(shown(name(process.user).as_bytes())),
            process
                .session
                .map_or_else(dash, |session| cell(session.to_string())),
            process
                .tty
                .as_ref()
                .map_or_else(dash, |tty| cell(shown(tty.as_bytes()))),
            cell(elapsed(process.start, now)),
            cell(shown(&spaced(&process.command))),
        ];
        if owners {
            cells.insert(0, cell(shown(name(process.uid).as_bytes())));
            cells.insert(3, cell(process.host_pid.to_string()));
        }
        cells
    };
    table(&columns, &list.iter().map(row).collect::<Vec<_>>(), look)
}

/// A command line with spaces where the kernel separates arguments by NUL.
pub(super) fn spaced(command: &[u8]) -> Vec<u8> {
    let end = command
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    command[..end]
        .iter()
        .map(|byte| if *byte == 0 { b' ' } else { *byte })
        .collect()
}

/// A process as JSON has it.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    env: Option<&'a str>,
    uid: u32,
    pid: u32,
    host_pid: u32,
    user: u32,
    session: Option<u32>,
    tty: Option<&'a str>,
    start: u64,
    command: String,
    /// The command's bytes, percent-encoded, where they are no UTF-8 and `command` cannot hold them.
    #[serde(skip_serializing_if = "Option::is_none")]
    command_encoded: Option<String>,
}

impl<'a> From<&'a Process> for Json<'a> {
    fn from(process: &'a Process) -> Self {
        let (command, command_encoded) = percent::text(&spaced(&process.command));
        Json {
            env: process.environment.as_deref(),
            uid: process.uid,
            pid: process.pid,
            host_pid: process.host_pid,
            user: process.user,
            session: process.session,
            tty: process.tty.as_deref(),
            start: process.start,
            command,
            command_encoded,
        }
    }
}

/// An array of objects.
pub fn as_json(list: &[Process]) -> Result<String, Error> {
    json(&list.iter().map(Json::from).collect::<Vec<_>>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// A shell on a terminal.
    pub fn shell() -> Process {
        Process {
            uid: 1000,
            environment: Some("default".into()),
            pid: 12,
            host_pid: 34567,
            user: 1000,
            session: Some(12),
            tty: Some("pts/3".into()),
            start: 1000,
            command: b"sh\0-c\0x\x1b[2J\0".to_vec(),
        }
    }

    fn list() -> [Process; 2] {
        let shell = shell();
        let odd = Process {
            pid: 13,
            user: 0,
            session: None,
            tty: None,
            command: b"\xff%".to_vec(),
            ..shell.clone()
        };
        [shell, odd]
    }

    fn name(uid: u32) -> String {
        if uid == 0 {
            "root".into()
        } else {
            "alice".into()
        }
    }

    #[test]
    fn a_table() {
        let expected = "\
ENV      PID  USER   SESSION  TTY    TIME  COMMAND
default   12  alice       12  pts/3    5m  sh -c x\\e[2J
default   13  root         -  -        5m  \\xff%
";
        assert_eq!(as_table(&list(), &name, false, 1300, Look::PLAIN), expected);
    }

    #[test]
    fn a_table_with_owners() {
        let text = as_table(&list(), &name, true, 1300, Look::PLAIN);
        assert!(
            text.starts_with("OWNER  ENV      PID  HOST PID  USER "),
            "{text}"
        );
    }

    #[test]
    fn json_loses_nothing() {
        let value: serde_json::Value = serde_json::from_str(&as_json(&list()).unwrap()).unwrap();
        let shell = serde_json::json!({
            "env": "default", "uid": 1000, "pid": 12, "host_pid": 34567, "user": 1000, "session": 12,
            "tty": "pts/3", "start": 1000, "command": "sh -c x\u{1b}[2J"
        });
        assert_eq!(value[0], shell);
        assert_eq!(value[1]["command"], "\u{fffd}%");
        assert_eq!(value[1]["command_encoded"], "%FF%25");
        assert_eq!(value[1]["session"], serde_json::Value::Null);
    }
}

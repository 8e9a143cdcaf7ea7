//! Processes that hold outdated files of the base, as a table and as JSON.

use serde::Serialize;

use super::age::elapsed;
use super::json::json;
use super::processes::{self, spaced};
use super::style::Look;
use super::table::{cell, left, right, table};
use super::text::shown;
use crate::error::Error;
use crate::helper::{Process, percent};

/// A process, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The process.
    pub process: Process,
    /// The files' paths.
    pub files: Vec<Vec<u8>>,
}

/// A table. `name` gives users their names.
pub fn as_table(list: &[Stale], name: &dyn Fn(u32) -> String, now: u64, look: Look) -> String {
    let columns = [
        left("OWNER"),
        left("ENV"),
        right("HOST PID"),
        right("TIME"),
        left("COMMAND"),
        left("OLD FILES"),
    ];
    let row = |stale: &Stale| {
        let process = &stale.process;
        vec![
            cell(shown(name(process.uid).as_bytes())),
            cell(shown(
                process.environment.as_deref().unwrap_or("-").as_bytes(),
            )),
            cell(process.host_pid.to_string()),
            cell(elapsed(process.start, now)),
            cell(program(&process.command)),
            cell(files(&stale.files)),
        ]
    };
    table(&columns, &list.iter().map(row).collect::<Vec<_>>(), look)
}

/// The first word of a command line is enough to know it by.
fn program(command: &[u8]) -> String {
    let line = spaced(command);
    shown(line.split(|byte| *byte == b' ').next().unwrap_or_default())
}

fn files(files: &[Vec<u8>]) -> String {
    let shown: Vec<String> = files.iter().map(|file| shown(file)).collect();
    shown.join(" ")
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    process: processes::Json<'a>,
    files: Vec<String>,
    /// The files' names percent-encoded, where one is no UTF-8 and `files` cannot hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    files_encoded: Option<Vec<String>>,
}

impl<'a> From<&'a Stale> for Json<'a> {
    fn from(stale: &'a Stale) -> Self {
        let files = stale.files.iter();
        let odd = files.clone().any(|file| std::str::from_utf8(file).is_err());
        Json {
            process: (&stale.process).into(),
            files: files
                .clone()
                .map(|file| String::from_utf8_lossy(file).into_owned())
                .collect(),
            files_encoded: odd.then(|| files.map(|file| percent::encode(file)).collect()),
        }
    }
}

/// An array of objects: as `caddis admin ps --json`, with `files`.
pub fn as_json(list: &[Stale]) -> Result<String, Error> {
    json(&list.iter().map(Json::from).collect::<Vec<_>>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn list() -> [Stale; 1] {
        let process = Process {
            command: b"sleep\x00100".to_vec(),
            ..processes::tests::shell()
        };
        [Stale {
            process,
            files: vec![b"/usr/lib/libc.so.6".to_vec(), b"/opt/\xff".to_vec()],
        }]
    }

    #[test]
    fn a_table_names_the_files() {
        let expected = "\
OWNER  ENV      HOST PID  TIME  COMMAND  OLD FILES
alice  default     34567    5m  sleep    /usr/lib/libc.so.6 /opt/\\xff
";
        let name = |_| "alice".to_owned();
        assert_eq!(as_table(&list(), &name, 1300, Look::PLAIN), expected);
    }

    #[test]
    fn json_loses_nothing() {
        let value: serde_json::Value = serde_json::from_str(&as_json(&list()).unwrap()).unwrap();
        assert_eq!(value[0]["host_pid"], 34567);
        assert_eq!(value[0]["files"][0], "/usr/lib/libc.so.6");
        assert_eq!(value[0]["files_encoded"][1], "/opt/%FF");
    }
}

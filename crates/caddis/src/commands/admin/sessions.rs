//! `caddis admin sessions`

use clap::Args;

use super::scope::require_root;
use crate::commands::output::{Names, look, now, print};
use crate::commands::ps;
use crate::error::Error;
use crate::helper::record::Record;
use crate::helper::{Call, Process};
use crate::render::stale::{Stale, as_json, as_table};

/// List users' sessions
///
/// With --stale: the processes that still run, or have open, files of the host that were replaced or removed since.
/// After a security update, their users are the ones to be asked to log in again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Sessions {
    /// Only processes that hold outdated files of the host, and which
    #[arg(long)]
    stale: bool,

    /// Print JSON: as `caddis admin ps --json`; with --stale each object has `files` as well
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin sessions            who is in which environment
  caddis admin sessions --stale    who has to log in again after an update
  caddis admin sessions --stale --json | jq -r '.[].files[]' | sort | uniq -c";

impl Sessions {
    /// Asks and shows the answer.
    pub fn run(self) -> Result<u8, Error> {
        require_root(
            "list users' sessions",
            "`caddis ps` lists what runs in yours",
        )?;
        if !self.stale {
            return ps::show(&Call::admin("sessions"), true, self.json);
        }
        let (records, status) = Call::admin("sessions").flag("--stale", true).answer()?;
        let list = grouped(&records)?;
        let names = Names::default();
        let text = match self.json {
            true => as_json(&list)?,
            false if list.is_empty() => String::new(),
            false => as_table(&list, &|uid| names.name(uid), now(), look()),
        };
        print(&text)?;
        Ok(status)
    }
}

/// The lines about one process follow each other, one for each file.
fn grouped(records: &[Record]) -> Result<Vec<Stale>, Error> {
    let mut list: Vec<Stale> = Vec::new();
    for record in records {
        let process = Process::read(record)?;
        let file = record.bytes("file")?.to_vec();
        match list.last_mut() {
            Some(last) if last.process.host_pid == process.host_pid => last.files.push(file),
            _ => list.push(Stale {
                process,
                files: vec![file],
            }),
        }
    }
    Ok(list)
}

//! Cold starts. Before each, whatever the one before left to be torn down is gone; only the row that says so counts
//! the tear-down.

use super::Suite;
use super::rounds::rounds;
use crate::candidates::{Candidate, Program};
use crate::error::Result;
use crate::report::{Row, Table, Unit};
use crate::site::{Linger, Site};

/// The rows that targets are checked against.
pub const NEW: &str = "caddis, new environment";
/// The same with an instance that does not wait for another session.
pub const NEW_NO_LINGER: &str = "caddis, new environment, no linger";

const NOTE: &str = "Each start of Caddis is one of an environment that does not run; a *new* one is also made on disk. \
With the default linger the empty environment stays for the next session; with none it is torn down at once, which \
the caller does not wait for. bwrap shows the host's `/` as it is; crun, runc and ch-run a directory with a handful of \
files, crun and runc without control groups. bwrap, ch-run and caddis are run by a user, crun and runc by root.";

pub fn run(site: &mut Site) -> Result<Table> {
    let mut candidates = site.others.candidates();
    let caddis = [
        Candidate::caddis("new environment", Linger::Default, None),
        Candidate::caddis("new environment, no linger", Linger::Off, None),
        Candidate::caddis("old environment, no linger", Linger::Off, Some("old")),
    ];
    candidates.splice(1..1, caddis);
    let mut torn_down = Vec::new();
    let series = rounds(&candidates, site.runs, |candidate| {
        let (seconds, gone) = start(site, candidate)?;
        if candidate.name == NEW_NO_LINGER {
            torn_down.push(seconds + gone);
        }
        Ok(seconds)
    })?;
    site.clean()?;
    // The round that does not count.
    torn_down.remove(0);
    let base = candidates
        .iter()
        .position(|candidate| candidate.program == Program::Bwrap);
    let mut rows: Vec<Row> = candidates
        .iter()
        .zip(&series)
        .map(|(candidate, values)| {
            Row::new(&candidate.name, values).against(base.map(|index| series[index].as_slice()))
        })
        .collect();
    rows.insert(
        4,
        Row::new("caddis, new environment, until torn down", &torn_down),
    );
    Ok(Table::new(
        Suite::Cold,
        Unit::Milliseconds,
        "bwrap",
        NOTE,
        rows,
    ))
}

/// One start; then the time until nothing is left of it.
fn start(site: &mut Site, candidate: &Candidate) -> Result<(f64, f64)> {
    let name = candidate
        .environment
        .map_or_else(|| site.fresh_name(), Into::into);
    if candidate.program == Program::Caddis {
        site.set_linger(candidate.linger)?;
    }
    let command = candidate.program.command(&name);
    let seconds = site.runner(candidate.program.who()).time(command)?;
    if candidate.program != Program::Caddis {
        return Ok((seconds, 0.0));
    }
    let gone = if candidate.linger == Linger::Off {
        site.settle()?
    } else {
        site.stop_all()?;
        0.0
    };
    Ok((seconds, gone))
}

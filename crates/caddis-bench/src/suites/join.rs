//! Joins: a further session in an environment that runs.

use super::Suite;
use super::rounds::rounds;
use crate::candidates::Program;
use crate::error::Result;
use crate::report::{Row, Table, Unit};
use crate::runner::Request;
use crate::site::{Linger, Site, Who};

/// The row that the target is checked against.
pub const OVER_PLAIN: &str = "caddis, join, over fork and exec";

const NOTE: &str = "*Idle*: the session before has ended, the environment lingers. *In use*: another session goes on. \
The last row is the difference of an idle join and the plain start of the same round.";

/// What keeps a session open until its input ends.
pub fn holder(name: &str) -> Vec<String> {
    let script = "echo; exec cat";
    [
        "/usr/local/bin/caddis",
        "run",
        "-e",
        name,
        "sh",
        "-c",
        script,
    ]
    .map(Into::into)
    .into()
}

pub fn run(site: &mut Site) -> Result<Table> {
    site.set_linger(Linger::Long)?;
    let hold = Request::Hold(vec![holder("used")]);
    site.runner(Who::Alice).seconds(&hold)?;
    let commands = [
        Program::Plain.command(""),
        Program::Caddis.command("idle"),
        Program::Caddis.command("used"),
    ];
    let runs = site.runs;
    let series = rounds(&commands, runs, |command| {
        site.runner(Who::Alice).time(command.clone())
    })?;
    site.runner(Who::Alice).seconds(&Request::Release)?;
    site.clean()?;
    let over: Vec<f64> = series[1]
        .iter()
        .zip(&series[0])
        .map(|(join, plain)| join - plain)
        .collect();
    let rows = vec![
        Row::new("fork and exec", &series[0]),
        Row::new("caddis, join, idle", &series[1]).against(Some(&series[0])),
        Row::new("caddis, join, in use", &series[2]).against(Some(&series[0])),
        Row::new(OVER_PLAIN, &over),
    ];
    Ok(Table::new(
        Suite::Join,
        Unit::Milliseconds,
        "fork and exec",
        NOTE,
        rows,
    ))
}

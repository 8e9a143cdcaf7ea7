//! What life inside costs: the same work inside and outside, in turn.

use super::Suite;
use super::rounds::rounds;
use crate::arguments::Kind;
use crate::error::{Context, Result};
use crate::report::{Row, Table, Unit};
use crate::runner::Request;
use crate::site::{FILES, Linger, PROGRAM, Site, Who};

const NOTE: &str = "Each row is work done by a program that measures itself; the ratio is that of the row above it, \
outside. The files lie on the host's root file system: outside they are reached directly, inside by way of guard and \
overlay. Replaced files are the base's: inside, the first write copies each one up.";

const KINDS: [(Kind, &str); 6] = [
    (Kind::Cpu, "compute"),
    (Kind::Spawn, "fork and exec, 200 times"),
    (Kind::Stat, "stat 10,000 files"),
    (Kind::Read, "open and read 10,000 small files"),
    (Kind::Write, "write 10,000 new files of 16 bytes"),
    (Kind::Replace, "replace 10,000 files by 16 bytes"),
];

pub fn run(site: &mut Site) -> Result<Table> {
    site.set_linger(Linger::Long)?;
    for place in ["shared", "outside"] {
        let directory = format!("{FILES}/{place}");
        work(site, None, Kind::Prepare, &directory)?;
    }
    let both: Vec<(Kind, bool)> = KINDS
        .iter()
        .flat_map(|(kind, _)| [(*kind, false), (*kind, true)])
        .collect();
    let runs = site.runs;
    let series = rounds(&both, runs, |(kind, inside)| measure(site, *kind, *inside))?;
    site.clean()?;
    let mut rows = Vec::new();
    for ((_, name), pair) in KINDS.iter().zip(series.chunks(2)) {
        let [outside, inside] = pair else { continue };
        rows.push(Row::new(&format!("{name}, outside"), outside));
        rows.push(Row::new(&format!("{name}, inside"), inside).against(Some(outside)));
    }
    Ok(Table::new(
        Suite::Overhead,
        Unit::Milliseconds,
        "outside",
        NOTE,
        rows,
    ))
}

fn measure(site: &mut Site, kind: Kind, inside: bool) -> Result<f64> {
    if matches!(kind, Kind::Write | Kind::Replace) {
        site.runner(Who::Root).seconds(&Request::Sync)?;
    }
    // What was replaced once is the environment's own; so a new one each time, while outside has files of its own.
    let fresh = (inside && kind == Kind::Replace).then(|| site.fresh_name());
    let place = if kind == Kind::Replace && !inside {
        "outside"
    } else {
        "shared"
    };
    let environment = inside.then(|| fresh.clone().unwrap_or_else(|| "work".into()));
    let taken = work(
        site,
        environment.as_deref(),
        kind,
        &format!("{FILES}/{place}"),
    )?;
    if let Some(name) = fresh {
        let remove = ["/usr/local/bin/caddis", "remove", "--yes", &name];
        site.runner(Who::Alice)
            .time(remove.map(Into::into).into())?;
    }
    Ok(taken)
}

fn work(site: &mut Site, environment: Option<&str>, kind: Kind, directory: &str) -> Result<f64> {
    let mut command: Vec<&str> = Vec::new();
    if let Some(name) = environment {
        command.extend(["/usr/local/bin/caddis", "run", "-e", name]);
    }
    command.extend([PROGRAM, "work", kind.name(), directory]);
    let said = site
        .runner(Who::Alice)
        .output(command.into_iter().map(Into::into).collect())?;
    let nanoseconds: u64 = said.trim().parse().context(format_args!(
        "understand the time of {}: {said:?}",
        kind.name()
    ))?;
    Ok(std::time::Duration::from_nanos(nanoseconds).as_secs_f64())
}

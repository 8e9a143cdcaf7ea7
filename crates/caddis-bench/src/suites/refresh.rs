//! What it costs to have running environments see changes of the host.

use super::Suite;
use super::join::holder;
use super::rounds::rounds;
use crate::error::{Context, Error, Result};
use crate::report::{Row, Table, Unit};
use crate::runner::Request;
use crate::site::{Linger, PROGRAM, Site, Who};

/// How many environments run.
const MANY: usize = 200;
/// How long files are made, and how often.
const SECONDS: u32 = 10;
const REPETITIONS: usize = 3;

/// The rows that the targets are checked against.
pub const REFRESH: &str = "caddis admin refresh, 200 environments";
/// The share of a processor.
pub const SHARE: &str = "watcher, while files are made in /usr/src";

const NOTE: &str = "200 environments run, each with a session. The watcher's share of a processor is its time in \
/proc/PID/stat against the clock's, while another process makes and removes files as fast as it can, for 10 s each.";

pub fn run(site: &mut Site) -> Result<Table> {
    site.set_linger(Linger::Long)?;
    site.settle()?;
    let refresh = ["/usr/local/bin/caddis", "admin", "refresh", "--quiet"].map(Into::into);
    let refresh = Request::Time(refresh.into());
    let nobody = timed(site, std::slice::from_ref(&refresh))?;
    let names: Vec<String> = (0..MANY).map(|_| site.fresh_name()).collect();
    let holders = names.iter().map(|name| holder(name)).collect();
    site.runner(Who::Alice).seconds(&Request::Hold(holders))?;
    let plain = Request::InTurn(vec![vec!["/usr/bin/true".to_owned()]; MANY]);
    let [plain, all] = &timed(site, &[plain, refresh])?[..] else {
        return Err(Error("measure two things: there were others".into()));
    };
    let (shares, files) = watch(site)?;
    site.runner(Who::Alice).seconds(&Request::Release)?;
    site.clean()?;
    let rows = vec![
        Row::new("200 × fork and exec", plain),
        Row::new(REFRESH, all).against(Some(plain)),
        Row::new("the same without an environment", &nobody[0]),
        Row::new(SHARE, &shares).unit(Unit::Percent),
        Row::new("files made and removed in a second", &files).unit(Unit::Number),
    ];
    Ok(Table::new(
        Suite::Refresh,
        Unit::Milliseconds,
        "200 × fork and exec",
        NOTE,
        rows,
    ))
}

fn timed(site: &mut Site, requests: &[Request]) -> Result<Vec<Vec<f64>>> {
    let runs = site.runs;
    rounds(requests, runs, |request| {
        site.runner(Who::Root).seconds(request)
    })
}

/// The watcher's share of a processor, and the number of files in a second, each time.
fn watch(site: &mut Site) -> Result<(Vec<f64>, Vec<f64>)> {
    let watcher = ["/usr/local/bin/caddis", "admin", "watch", "--verbose"].map(Into::into);
    let hold = Request::Hold(vec![watcher.into()]);
    site.runner(Who::Root).seconds(&hold)?;
    let (mut shares, mut files) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let before = used(site)?;
        let script = format!(
            "end=$(($(date +%s) + {SECONDS})); n=0; while [ $(date +%s) -lt $end ]; do \
             {PROGRAM} work write /usr/src/bench > /dev/null; n=$((n + 1)); done; echo $n > /run/bench-rounds"
        );
        let work = ["/usr/bin/sh", "-c", &script].map(Into::into).into();
        let taken = site.runner(Who::Root).time(work)?;
        shares.push((used(site)? - before) / taken);
        let rounds: f64 = number(&site.look("cat /run/bench-rounds"))?;
        files.push(rounds * 10_000.0 / taken);
    }
    site.look("kill $(cat /run/caddis/watch)");
    site.runner(Who::Root).seconds(&Request::Release)?;
    Ok((shares, files))
}

/// The processor time that the watcher has had, in seconds: fields 14 and 15 of its stat, in hundredths.
fn used(site: &Site) -> Result<f64> {
    let script = "cut -d' ' -f14,15 /proc/$(cat /run/caddis/watch)/stat";
    let text = site.look(script);
    let ticks = text.split(' ').map(number).sum::<Result<f64>>()?;
    Ok(ticks / 100.0)
}

fn number(text: &str) -> Result<f64> {
    text.trim()
        .parse()
        .context(format_args!("read a number from {text:?}"))
}

//! A hundred starts, one after the other and at once.

use super::Suite;
use super::rounds::rounds;
use crate::candidates::{Candidate, Program};
use crate::error::Result;
use crate::report::{Row, Table, Unit};
use crate::runner::Request;
use crate::site::{Linger, Site};

const STARTS: usize = 100;
/// Each repetition is a hundred starts already.
const REPETITIONS: usize = 5;

const IN_TURN: &str = "The time of all 100. A start follows the last one's end at once, so what is torn down behind \
its back counts. For scale: published systems of this kind took 4.1 s (CUE) and 2.8 s (SDEE) for 100 environments, \
on another machine.";
const AT_ONCE: &str =
    "All 100 are started before the first is waited for; the time is that of the last one's end.";

pub fn in_turn(site: &mut Site) -> Result<Table> {
    measure(site, Suite::InTurn, IN_TURN, Request::InTurn)
}

pub fn at_once(site: &mut Site) -> Result<Table> {
    measure(site, Suite::AtOnce, AT_ONCE, Request::AtOnce)
}

fn measure(
    site: &mut Site,
    suite: Suite,
    note: &str,
    request: fn(Vec<Vec<String>>) -> Request,
) -> Result<Table> {
    let mut candidates = site.others.candidates();
    let caddis = [
        Candidate::caddis("each a new environment, no linger", Linger::Off, None),
        Candidate::caddis("one environment", Linger::Default, Some("one")),
    ];
    candidates.splice(1..1, caddis);
    let series = rounds(&candidates, REPETITIONS, |candidate| {
        let names = (0..STARTS).map(|_| {
            candidate
                .environment
                .map_or_else(|| site.fresh_name(), Into::into)
        });
        let names: Vec<String> = names.collect();
        if candidate.program == Program::Caddis {
            site.set_linger(candidate.linger)?;
        }
        let commands = names.iter().map(|name| candidate.program.command(name));
        let request = request(commands.collect());
        let seconds = site.runner(candidate.program.who()).seconds(&request)?;
        if candidate.program == Program::Caddis {
            site.clean()?;
        }
        Ok(seconds)
    })?;
    let base = candidates
        .iter()
        .position(|candidate| candidate.program == Program::Bwrap);
    let rows = candidates
        .iter()
        .zip(&series)
        .map(|(candidate, values)| {
            Row::new(&candidate.name, values).against(base.map(|index| series[index].as_slice()))
        })
        .collect();
    Ok(Table::new(suite, Unit::Milliseconds, "bwrap", note, rows))
}

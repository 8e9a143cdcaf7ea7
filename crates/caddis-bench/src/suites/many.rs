//! Many environments side by side, each with a session; then all of them idle; then all of them ended.

use super::Suite;
use super::disk::kibibytes;
use super::join::holder;
use crate::error::{Error, Result};
use crate::report::{Row, Table, Unit};
use crate::runner::{Memory, Request};
use crate::site::{Linger, Site, Who};

/// The rows that the target is checked against.
pub const RESIDENT: &str = "idle: resident memory of its process 1";
/// The same where shared pages count for their share.
pub const SHARE: &str = "idle: its share where pages are shared (PSS)";

pub fn run(site: &mut Site) -> Result<Table> {
    let count = site.many;
    site.set_linger(Linger::Long)?;
    site.settle()?;
    let before = site.runner(Who::Root).memory("caddis-init")?;
    let names: Vec<String> = (0..count).map(|_| site.fresh_name()).collect();
    let holders = names.iter().map(|name| holder(name)).collect();
    let started = site.runner(Who::Alice).seconds(&Request::Hold(holders))?;
    let running = site.runner(Who::Root).memory("caddis-init")?;
    let released = site.runner(Who::Alice).seconds(&Request::Release)?;
    let idle = at_rest(site, count)?;
    let start = std::time::Instant::now();
    site.stop_all()?;
    let stopped = start.elapsed().as_secs_f64();
    site.clean()?;

    let each = |memory: &Memory, part: fn(&Memory) -> u64| {
        let (now, then) = (part(memory), part(&before));
        kibibytes(now.abs_diff(then) / u64::try_from(count).unwrap_or(1))
    };
    let used = |memory: &Memory| u64::MAX / 2 - memory.available;
    let everything = |memory: &Memory| memory.everything;
    let column = |which: fn(&(u64, u64)) -> u64| -> Vec<f64> {
        idle.processes
            .iter()
            .map(|one| kibibytes(which(one)))
            .collect()
    };
    let milliseconds = |seconds: f64| Row::new("", &[seconds]).unit(Unit::Milliseconds);
    let rows = vec![
        milliseconds(started).named(&format!("{count} started, one after the other")),
        milliseconds(released).named(&format!("{count} sessions ended")),
        milliseconds(stopped).named(&format!(
            "`caddis stop --all`: {count} idle environments ended"
        )),
        Row::new(
            "in use: memory of its processes (PSS)",
            &[each(&running, everything)],
        ),
        Row::new(
            "in use: all memory, the kernel's too",
            &[each(&running, used)],
        ),
        Row::new(RESIDENT, &column(|(resident, _)| *resident)),
        Row::new(SHARE, &column(|(_, share)| *share)),
        Row::new("idle: all memory, the kernel's too", &[each(&idle, used)]),
    ];
    let note = "Memory is that of one environment. In use, its processes are process 1, the session and a `cat`. All \
memory is what the machine had less of, divided by their number: other work on the machine counts.";
    Ok(Table::new(Suite::Many, Unit::Kibibytes, "", note, rows))
}

/// Memory once every process 1 has seen its last session's end and lies down.
fn at_rest(site: &mut Site, count: usize) -> Result<Memory> {
    let mut last = site.runner(Who::Root).memory("caddis-init")?;
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let now = site.runner(Who::Root).memory("caddis-init")?;
        if now.processes == last.processes && now.everything == last.everything {
            if now.processes.len() == count {
                return Ok(now);
            }
            let found = now.processes.len();
            return Err(Error(format!(
                "count idle environments: {found} instead of {count}"
            )));
        }
        last = now;
    }
    Ok(last)
}

//! The disk space of a new environment in which `true` has run.

use super::Suite;
use crate::candidates::Program;
use crate::error::Result;
use crate::report::{Row, Table, Unit};
use crate::site::{Linger, Site, Who};

/// The row that the target is checked against.
pub const NEW: &str = "a new environment";

const ENVIRONMENTS: usize = 10;
const NOTE: &str = "The blocks of everything that root keeps for it below `/var/lib/caddis`, as du(1) counts them, on ext4.";

pub fn run(site: &mut Site) -> Result<Table> {
    site.set_linger(Linger::Off)?;
    let mut values = Vec::new();
    for _ in 0..ENVIRONMENTS {
        let name = site.fresh_name();
        site.runner(Who::Alice)
            .time(Program::Caddis.command(&name))?;
        let path = format!("/var/lib/caddis/env/1000/{name}");
        let bytes = site.runner(Who::Root).disk_usage(path)?;
        values.push(kibibytes(bytes.div_ceil(1024)));
    }
    site.settle()?;
    site.clean()?;
    Ok(Table::new(
        Suite::Disk,
        Unit::Kibibytes,
        "",
        NOTE,
        vec![Row::new(NEW, &values)],
    ))
}

/// A number that is small enough for a figure in a table.
pub fn kibibytes(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

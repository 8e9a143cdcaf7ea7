//! What was changed in an environment with very many changes, against diff(1) on the same two trees.

use super::Suite;
use super::rounds::rounds;
use crate::error::Result;
use crate::report::{Row, Table, Unit};
use crate::site::{Linger, Site, Who};

const NOTE: &str = "100,000 files of 400 bytes in 100 directories. `diff -rq`, run by root on the host, compares the changes as \
they lie on disk with the base, without guard, overlay, owners and attributes.";

/// Makes the files, then changes one byte of each inside, and adds as many.
const BASE: &str = "\
import os\n\
for d in range(100):\n\
\x20 os.makedirs(f'/srv/bench/changes/{d}')\n\
\x20 for f in range(1000): open(f'/srv/bench/changes/{d}/{f}', 'w').write('x' * 400)\n";
const MODIFIED: &str = "\
import os\n\
for d in range(100):\n\
\x20 for f in range(1000): os.pwrite(os.open(f'/srv/bench/changes/{d}/{f}', os.O_WRONLY), b'y', 399)\n\
\x20 os.closerange(3, 1100)\n";
const ADDED: &str = "\
import os\n\
for d in range(100):\n\
\x20 os.makedirs(f'/srv/bench/added/{d}')\n\
\x20 for f in range(1000): open(f'/srv/bench/added/{d}/{f}', 'w').write('x' * 400)\n";

const COMMANDS: [(Who, &str, &str); 4] = [
    (
        Who::Root,
        "diff -rq, modified",
        "diff -rq /var/lib/caddis/env/1000/modified/@/srv/bench/changes /srv/bench/changes > /dev/null; true",
    ),
    (
        Who::Alice,
        "caddis diff, modified",
        "/usr/local/bin/caddis diff -e modified > /dev/null",
    ),
    (
        Who::Root,
        "find -printf, added",
        "find /var/lib/caddis/env/1000/added/@ -printf '%p %m %U %G %s\\n' > /dev/null",
    ),
    (
        Who::Alice,
        "caddis diff, added",
        "/usr/local/bin/caddis diff -e added > /dev/null",
    ),
];

pub fn run(site: &mut Site) -> Result<Table> {
    site.set_linger(Linger::Off)?;
    let python = |program: &str| ["/usr/bin/python3", "-c", program].map(str::to_owned);
    let inside = |name: &str, program: &str| {
        let way = ["/usr/local/bin/caddis", "run", "-e", name].map(str::to_owned);
        way.into_iter().chain(python(program)).collect()
    };
    site.runner(Who::Alice).time(python(BASE).into())?;
    site.runner(Who::Alice).time(inside("modified", MODIFIED))?;
    site.runner(Who::Alice).time(inside("added", ADDED))?;
    site.settle()?;
    let runs = site.runs;
    let series = rounds(&COMMANDS, runs, |(who, _, script)| {
        let command = ["/bin/bash", "-c", script].map(str::to_owned);
        site.runner(*who).time(command.into())
    })?;
    site.clean()?;
    let mut rows = Vec::new();
    for (pair, names) in series.chunks(2).zip(COMMANDS.chunks(2)) {
        let ([plain, ours], [(_, plainly, _), (_, by_us, _)]) = (pair, names) else {
            continue;
        };
        rows.push(Row::new(plainly, plain));
        rows.push(Row::new(by_us, ours).against(Some(plain)));
    }
    let against = "the row above";
    Ok(Table::new(
        Suite::Changes,
        Unit::Milliseconds,
        against,
        NOTE,
        rows,
    ))
}

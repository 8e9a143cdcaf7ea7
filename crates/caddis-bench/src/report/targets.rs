//! What is wanted of Caddis, and whether it is so. A target whose suite did not run is left out.

use super::{Row, Table, Unit};
use crate::suites::{
    COLD_NEW, COLD_NEW_NO_LINGER, DISK_NEW, IDLE_RESIDENT, JOIN_OVER_PLAIN, LOGIN_OVER_PLAIN,
    REFRESH, WATCHER_SHARE,
};
use serde::Serialize;

/// From the literature, where no engine runs that could be measured; in seconds.
const DOCKER: f64 = 0.236;

/// Whether a target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Yes.
    Met,
    /// No.
    NotMet,
}

/// A target.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// Of what.
    pub what: String,
    /// The limit.
    pub wanted: String,
    /// What it is.
    pub measured: String,
    /// Whether that is enough.
    pub verdict: Verdict,
}

/// Checks all that there are figures for.
pub fn check(tables: &[Table]) -> Vec<Target> {
    let find = |name: &str| {
        let mut rows = tables.iter().flat_map(|table| &table.rows);
        rows.find(|row| row.name == name)
    };
    let median = |name: &str| Some(find(name)?.summary?.median);
    let max = |name: &str| Some(find(name)?.summary?.max);
    let mut targets = Vec::new();
    for (name, what) in [
        (COLD_NEW, "a cold start, default linger"),
        (COLD_NEW_NO_LINGER, "a cold start, no linger"),
    ] {
        if let (Some(row), Some(bwrap)) = (find(name), median("bwrap")) {
            let limit = format!("≤ bwrap, {}", Unit::Milliseconds.show(bwrap));
            targets.extend(target(what, limit, row, bwrap, Unit::Milliseconds));
        }
    }
    if let Some(row) = find(COLD_NEW) {
        let (docker, origin) = match median("docker run") {
            Some(measured) => (measured, "measured"),
            None => (DOCKER, "literature"),
        };
        let shown = Unit::Milliseconds.show(docker);
        let limit = format!("≤ 1/40 of `docker run`, {shown} ({origin})");
        targets.extend(target(
            "a cold start, default linger",
            limit,
            row,
            docker / 40.0,
            Unit::Milliseconds,
        ));
    }
    if let Some(row) = find(JOIN_OVER_PLAIN) {
        let limit = "≤ 1.50 ms over fork and exec".to_owned();
        targets.extend(target("a join", limit, row, 0.0015, Unit::Milliseconds));
    }
    for (name, what) in LOGIN_OVER_PLAIN
        .into_iter()
        .zip(["a login by ForceCommand", "a login by login shell"])
    {
        if let Some(row) = find(name) {
            let limit = "≤ 10 ms over a plain one".to_owned();
            targets.extend(target(what, limit, row, 0.01, Unit::Milliseconds));
        }
    }
    for (name, what, limit, unit) in [
        (
            REFRESH,
            "a refresh of 200 environments",
            0.1,
            Unit::Milliseconds,
        ),
        (
            WATCHER_SHARE,
            "the watcher's share of a processor while files are made",
            0.02,
            Unit::Percent,
        ),
    ] {
        if let Some(row) = find(name) {
            let wanted = format!("≤ {}", unit.show(limit));
            targets.extend(target(what, wanted, row, limit, unit));
        }
    }
    for (name, what, limit) in [
        (
            DISK_NEW,
            "disk space of a new environment, the largest",
            16.0,
        ),
        (
            IDLE_RESIDENT,
            "resident memory of an idle one, the largest",
            1024.0,
        ),
    ] {
        if let Some(value) = max(name) {
            targets.push(Target {
                what: what.to_owned(),
                wanted: format!("≤ {}", Unit::Kibibytes.show(limit)),
                measured: Unit::Kibibytes.show(value),
                verdict: verdict(value <= limit),
            });
        }
    }
    targets
}

fn target(what: &str, wanted: String, row: &Row, limit: f64, unit: Unit) -> Option<Target> {
    let median = row.summary?.median;
    Some(Target {
        what: what.to_owned(),
        wanted,
        measured: unit.show(median),
        verdict: verdict(median <= limit),
    })
}

fn verdict(met: bool) -> Verdict {
    if met { Verdict::Met } else { Verdict::NotMet }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::suites::Suite;

    #[test]
    fn a_target_is_checked_against_its_own_row() {
        let rows = vec![
            Row::new(COLD_NEW, &[0.004, 0.005, 0.9]),
            Row::new("bwrap", &[0.0049, 0.0048, 0.0047]),
        ];
        let table = Table::new(Suite::Cold, Unit::Milliseconds, "bwrap", "", rows);
        let targets = check(&[table]);
        let verdicts: Vec<Verdict> = targets.iter().map(|target| target.verdict).collect();
        assert_eq!(verdicts, [Verdict::NotMet, Verdict::Met]);
        assert!(targets[1].wanted.contains("literature"));
        assert!(check(&[]).is_empty());
    }
}

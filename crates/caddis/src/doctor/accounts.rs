//! Are the lines of the user database in order? For root, who can mend them.

use caddis_policy::accounts::{TABLES, skipped};

use super::{ok, warn};
use crate::helper::Check;

/// What is skipped; a user who starts an environment is not bothered with it.
pub fn lines() -> Check {
    let topic = "accounts";
    let mut faults = TABLES.into_iter().filter_map(|(path, table)| {
        let text = std::fs::read(path).ok()?;
        let mut lines = skipped(table, &text);
        let first = lines.next()?;
        Some(match lines.count() {
            0 => format!("{path}: {first}"),
            more => format!("{path}: {first}, and {more} more"),
        })
    });
    match faults.next() {
        None => ok(topic, "all lines of the user database are in order"),
        Some(first) => {
            let all = std::iter::once(first).chain(faults);
            let all: Vec<String> = all.collect();
            let hint = "correct them with `vipw`, `vipw --group` or an editor; `caddis admin refresh` names each";
            warn(topic, all.join("; "), hint)
        }
    }
}

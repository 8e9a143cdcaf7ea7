//! Changes in numbers, as `git diff --stat` has them.

use unicode_width::UnicodeWidthStr;

use super::patch::text;
use super::unified::Compared;
use crate::helper::{Change, Content};
use crate::render::style::{BAD, GOOD, Look};
use crate::render::text::{fitted, shown};

/// Lines added and removed in one file, or what there is to say instead.
#[derive(Debug)]
pub struct Row {
    name: String,
    count: Count,
}

#[derive(Debug)]
enum Count {
    Lines(u32, u32),
    Words(String),
}

impl Row {
    /// Counts.
    pub fn of(change: &Change) -> Self {
        let (old, new) = (change.old.as_ref(), change.new.as_ref());
        let has_content = [old, new]
            .iter()
            .flatten()
            .any(|side| side.content != Content::None);
        let size = |side: Option<&crate::helper::Side>| side.map_or(0, |side| side.size);
        let count = match (text(old), text(new)) {
            _ if !has_content || change.letters == "T" => Count::Words(change.letters.clone()),
            _ if change.letters == "P" => Count::Lines(0, 0),
            (Some(before), Some(after)) => {
                let (added, removed) = Compared::new(before, after).counts();
                Count::Lines(added, removed)
            }
            _ => Count::Words(format!("Bin {} -> {} bytes", size(old), size(new))),
        };
        let slash = if change.is_directory() { "/" } else { "" };
        Self {
            name: format!("{}{slash}", shown(&change.path)),
            count,
        }
    }
}

/// Where there is no terminal.
const COLUMNS: usize = 80;

/// All rows, and the sum.
pub fn table(rows: &[Row], look: Look) -> String {
    let columns = look.columns.unwrap_or(COLUMNS).max(40);
    let longest = rows.iter().map(|row| row.name.width()).max().unwrap_or(0);
    let most = rows.iter().map(Row::lines).max().unwrap_or(0);
    let digits = most.to_string().len().max(3);
    let names = longest.min(columns.saturating_sub(digits + 16).max(20));
    let graph = columns.saturating_sub(names + digits + 5).max(5);
    let mut text = String::new();
    let (mut all_added, mut all_removed) = (0_u64, 0_u64);
    for row in rows {
        let name = fitted(&row.name, names);
        let padding = " ".repeat(names.saturating_sub(name.width()));
        let count = match &row.count {
            Count::Words(words) => words.clone(),
            Count::Lines(added, removed) => {
                all_added += u64::from(*added);
                all_removed += u64::from(*removed);
                let (plus, minus) = scaled(*added, *removed, most, graph);
                let bar =
                    look.paint(GOOD, &"+".repeat(plus)) + &look.paint(BAD, &"-".repeat(minus));
                format!("{:>digits$} {bar}", added + removed)
            }
        };
        text += format!(" {name}{padding} | {count}").trim_end();
        text.push('\n');
    }
    if !rows.is_empty() {
        text += &sum(rows.len(), all_added, all_removed);
    }
    text
}

impl Row {
    fn lines(&self) -> u32 {
        match self.count {
            Count::Lines(added, removed) => added.saturating_add(removed),
            Count::Words(_) => 0,
        }
    }
}

/// How long the two parts of a bar are; what there is any of gets at least one mark.
fn scaled(added: u32, removed: u32, most: u32, room: usize) -> (usize, usize) {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let part = |count: u32| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        match count {
            0 => 0,
            _ if most <= room => count,
            _ => (count.saturating_mul(room) / most).max(1),
        }
    };
    (part(added), part(removed))
}

fn sum(names: usize, added: u64, removed: u64) -> String {
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let mut text = format!(" {names} name{} changed", plural(names as u64));
    if added > 0 || removed == 0 {
        text += &format!(", {added} insertion{}(+)", plural(added));
    }
    if removed > 0 || added == 0 {
        text += &format!(", {removed} deletion{}(-)", plural(removed));
    }
    text + "\n"
}

//! What came out: tables, targets, the machine.

mod machine;
mod markdown;
mod targets;
pub mod text;

use crate::arguments::Arguments;
use crate::error::{Context, Result};
use crate::site::Site;
use crate::statistics::{Ratio, Summary, ratio, summary};
use crate::suites::Suite;
use machine::Machine;
use serde::Serialize;
use std::io::{Write, stdout};
use std::path::Path;
use targets::Target;

/// In what the values of a table are given. Times are kept in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Of a second.
    Milliseconds,
    /// 1024 bytes.
    Kibibytes,
    /// Of something.
    Percent,
    /// How many.
    Number,
}

impl Unit {
    /// A value as it stands in a table.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Milliseconds if value >= 0.1 => format!("{:.0} ms", value * 1e3),
            Unit::Milliseconds => format!("{:.2} ms", value * 1e3),
            Unit::Kibibytes => format!("{value:.0} KiB"),
            Unit::Percent => format!("{:.2} %", value * 1e2),
            Unit::Number => format!("{value:.0}"),
        }
    }
}

/// One line of a table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// In what; `None`: as the table says.
    pub unit: Option<Unit>,
    /// Each measurement, in the order of the rounds.
    pub values: Vec<f64>,
    /// The same in few numbers.
    pub summary: Option<Summary>,
    /// Compared with the table's base.
    pub ratio: Option<Ratio>,
}

impl Row {
    /// A row without a comparison.
    pub fn new(name: &str, values: &[f64]) -> Row {
        Row {
            name: name.to_owned(),
            unit: None,
            values: values.to_vec(),
            summary: summary(values),
            ratio: None,
        }
    }

    /// Compared with a series of the same rounds.
    pub fn against(mut self, base: Option<&[f64]>) -> Row {
        self.ratio = base.and_then(|base| ratio(&self.values, base));
        self
    }

    /// In another unit than the table's.
    pub fn unit(mut self, unit: Unit) -> Row {
        self.unit = Some(unit);
        self
    }

    /// Under another name.
    pub fn named(mut self, name: &str) -> Row {
        self.name = name.to_owned();
        self
    }
}

/// What one suite found.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Which suite.
    pub suite: Suite,
    /// In what its values are.
    pub unit: Unit,
    /// What the ratios compare with; empty: nothing.
    pub base: String,
    /// What a reader has to know.
    pub note: String,
    /// What was measured.
    pub rows: Vec<Row>,
}

impl Table {
    /// A table.
    pub fn new(suite: Suite, unit: Unit, base: &str, note: &str, rows: Vec<Row>) -> Table {
        Table {
            suite,
            unit,
            base: base.to_owned(),
            note: note.to_owned(),
            rows,
        }
    }

    /// Heads and cells, for whatever way of showing them.
    pub fn cells(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let single = self.rows.iter().all(|row| row.values.len() == 1);
        let mut heads = vec![String::new(), "median".to_owned()];
        if !single {
            heads.extend(["min", "max", "MAD", "runs"].map(Into::into));
        }
        if !self.base.is_empty() {
            heads.push(format!("× {}", self.base));
            heads.push("95 %".to_owned());
        }
        let rows = self.rows.iter().map(|row| self.row(row, single)).collect();
        (heads, rows)
    }

    fn row(&self, row: &Row, single: bool) -> Vec<String> {
        let unit = row.unit.unwrap_or(self.unit);
        let mut cells = vec![row.name.clone()];
        let Some(summary) = row.summary else {
            cells.push("–".to_owned());
            return cells;
        };
        cells.push(unit.show(summary.median));
        if !single && summary.runs > 1 {
            cells.extend([summary.min, summary.max, summary.mad].map(|value| unit.show(value)));
            cells.push(summary.runs.to_string());
        } else if !single {
            cells.extend(["", "", "", "1"].map(Into::into));
        }
        if !self.base.is_empty() {
            let Ratio { value, low, high } = match row.ratio {
                Some(ratio) => ratio,
                None => {
                    cells.extend([String::new(), String::new()]);
                    return cells;
                }
            };
            cells.push(format!("{value:.2}"));
            cells.push(format!("{low:.2}–{high:.2}"));
        }
        cells
    }
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was typed.
    pub command: String,
    /// Where.
    pub machine: Machine,
    /// The programs and their versions.
    pub versions: Vec<(String, String)>,
    /// The programs that were not measured, and why.
    pub missing: Vec<(String, String)>,
    /// What was found.
    pub tables: Vec<Table>,
    /// What was wanted, and whether it is so.
    pub targets: Vec<Target>,
}

impl Report {
    /// A report without tables yet.
    pub fn new(arguments: &Arguments, site: &Site) -> Report {
        Report {
            command: command(arguments),
            machine: Machine::of(site),
            versions: site.others.versions.clone(),
            missing: site.others.missing.clone(),
            tables: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// Draws the conclusions.
    pub fn finish(&mut self) {
        self.machine.finish();
        self.targets = targets::check(&self.tables);
    }
}

/// The command that a reader would type for this report.
fn command(arguments: &Arguments) -> String {
    let mut words: Vec<String> = Vec::new();
    if arguments.runs != 60 {
        words.push(format!("--runs {}", arguments.runs));
    }
    if arguments.many != 1000 {
        words.push(format!("--many {}", arguments.many));
    }
    for suite in &arguments.suites {
        let name = clap::ValueEnum::to_possible_value(suite);
        let name = name.map_or_else(String::new, |value| value.get_name().to_owned());
        words.push(format!("--suite {name}"));
    }
    if let Some(image) = &arguments.docker_image {
        words.push(format!("--docker-image {image}"));
    }
    if arguments.markdown.is_some() {
        words.push("--markdown".to_owned());
    }
    if words.is_empty() {
        return "make bench".to_owned();
    }
    format!("make bench ARGS=\"{}\"", words.join(" "))
}

/// Writes the files that were asked for.
pub fn save(report: &Report, arguments: &Arguments) -> Result<()> {
    if let Some(path) = &arguments.markdown {
        write(path, &markdown::render(report))?;
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(report).context("write the report as JSON")?;
        write(path, &(text + "\n"))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let written = if path.as_os_str() == "-" {
        stdout().write_all(text.as_bytes())
    } else {
        std::fs::write(path, text)
    };
    written.context(format_args!("write {}", path.display()))
}

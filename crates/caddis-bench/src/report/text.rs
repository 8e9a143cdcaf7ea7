//! The report on a terminal.

use super::Report;
use super::targets::Verdict;

/// Renders it.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    for line in report.machine.lines() {
        text += &format!("{line}\n");
    }
    for (name, reason) in &report.missing {
        text += &format!("{name} is not measured: {reason}\n");
    }
    for table in &report.tables {
        text += &format!("\n{}\n", table.suite.title());
        let (heads, rows) = table.cells();
        text += &columns(&heads, &rows);
    }
    if !report.targets.is_empty() {
        text += "\nTargets\n";
        let heads = ["", "wanted", "measured", ""].map(String::from);
        let rows: Vec<Vec<String>> = report
            .targets
            .iter()
            .map(|target| {
                let verdict = match target.verdict {
                    Verdict::Met => "met",
                    Verdict::NotMet => "NOT MET",
                };
                [&target.what, &target.wanted, &target.measured, verdict]
                    .map(String::from)
                    .into()
            })
            .collect();
        text += &columns(&heads, &rows);
    }
    text
}

/// Columns two spaces apart, the first to the left, the others to the right.
fn columns(heads: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .chain(heads.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(heads).chain(rows.iter().map(Vec::as_slice)) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += &match column {
                0 => format!("  {cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

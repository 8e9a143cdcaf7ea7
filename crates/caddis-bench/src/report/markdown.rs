//! The report as a page of the documentation.

use super::Report;
use super::targets::Verdict;

/// Renders it.
pub fn render(report: &Report) -> String {
    let mut text = format!(
        "# Benchmarks\n\n\
         Made by `{}`; do not edit. Everything ran on one disposable test host ([lab](lab.md)), in one go: each round \
         measures every candidate once, and each round begins with another one. A command is started with \
         posix_spawn(3) and waited for, with no shell in between.\n\n",
        report.command
    );
    for line in report.machine.lines() {
        text += &format!("- {line}\n");
    }
    for (name, version) in &report.versions {
        text += &format!("- {name}: {version}\n");
    }
    for (name, reason) in &report.missing {
        text += &format!("- {name} is not measured: {reason}\n");
    }
    if !report.targets.is_empty() {
        text += "\n## Targets\n\n";
        let heads = ["", "wanted", "measured", ""].map(String::from);
        let rows = report.targets.iter().map(|target| {
            let verdict = match target.verdict {
                Verdict::Met => "met",
                Verdict::NotMet => "**not met**",
            };
            [&target.what, &target.wanted, &target.measured, verdict].map(String::from)
        });
        text += &table(&heads, rows.map(Vec::from));
        text += "\nThe times are medians. The 236 ms for `docker run` are from the literature on a machine of this \
                 kind, not measured here, unless the row says so.\n";
    }
    for suite in &report.tables {
        text += &format!("\n## {}\n\n", suite.suite.title());
        let (heads, rows) = suite.cells();
        text += &table(&heads, rows);
        text += &format!("\n{}\n", suite.note);
    }
    text += "\n## Reading the tables\n\n\
             The minimum is what a program needs where nothing disturbs it, MAD the median distance from the median. \
             A ratio compares medians; the range holds 95 % of the ratios when the rounds are drawn anew (bootstrap \
             over rounds, so what disturbed a whole round cancels out).\n";
    text
}

fn table(heads: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(heads);
    let rule = std::iter::once("---").chain(heads.iter().skip(1).map(|_| "---:"));
    text += &format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
    for mut row in rows {
        row.resize(heads.len(), String::new());
        text += &line(&row);
    }
    text
}

//! Tables: columns as wide as they need to be, two spaces apart, no lines.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::style::{HEAD, Look};
use super::text::fitted;

/// A column's head and which side its cells keep to.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub head: &'static str,
    pub right: bool,
}

/// Text keeps left.
pub const fn left(head: &'static str) -> Column {
    Column { head, right: false }
}

/// Numbers keep right.
pub const fn right(head: &'static str) -> Column {
    Column { head, right: true }
}

/// One cell. Its text has been made safe to show already.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

/// A cell without colour.
pub fn cell(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        style: Style::new(),
    }
}

/// A cell in a style.
pub fn styled(text: impl Into<String>, style: Style) -> Cell {
    Cell {
        text: text.into(),
        style,
    }
}

/// Below this, cutting the last column would leave nothing worth reading.
const NARROWEST: usize = 12;

/// Renders the table. On a terminal the last column is cut where the line ends.
pub fn table(columns: &[Column], rows: &[Vec<Cell>], look: Look) -> String {
    let width = |index: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(index))
            .map(|cell| cell.text.width());
        cells
            .chain([columns[index].head.width()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let before_last: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
    let room = look
        .columns
        .map(|columns| columns.saturating_sub(before_last).max(NARROWEST));
    let head: Vec<Cell> = columns
        .iter()
        .map(|column| styled(column.head, HEAD))
        .collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (index, (cell, column)) in row.iter().zip(columns).enumerate() {
            let last = index + 1 == columns.len();
            let cut = room.filter(|_| last).map(|room| fitted(&cell.text, room));
            let shown = cut.as_deref().unwrap_or(&cell.text);
            let padding = " ".repeat(widths[index].saturating_sub(shown.width()));
            let painted = look.paint(cell.style, shown);
            match (column.right, last) {
                (true, _) => line.extend([padding, painted]),
                (false, true) => line.push_str(&painted),
                (false, false) => line.extend([painted, padding]),
            }
            if !last {
                line.push_str("  ");
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [left("NAME"), right("SIZE"), left("COMMAND")];

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec![
                cell("default"),
                cell("12 KiB"),
                cell("make -j8 a b c d e f g"),
            ],
            vec![cell("x"), cell("0 B"), cell("")],
        ]
    }

    #[test]
    fn lines_up() {
        let expected = "\
NAME       SIZE  COMMAND
default  12 KiB  make -j8 a b c d e f g
x           0 B
";
        assert_eq!(table(&COLUMNS, &rows(), Look::PLAIN), expected);
    }

    #[test]
    fn cuts_the_last_column_to_the_terminal() {
        let look = Look {
            colour: false,
            columns: Some(32),
        };
        assert!(table(&COLUMNS, &rows(), look).contains("\ndefault  12 KiB  make -j8 a b c…\n"));
    }
}

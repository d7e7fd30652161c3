//! Columns that line up.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::text::fit;

/// A longer text in a column is cut, so that a long name does not widen the table.
const MAX_WIDTH: usize = 60;

/// A column: its title, and to which side its cells go.
pub(super) enum Column {
    Left(&'static str),
    Right(String),
}

impl Column {
    /// A column of figures.
    pub(super) fn right(title: &str) -> Self {
        Column::Right(title.to_owned())
    }

    fn title(&self) -> &str {
        match self {
            Column::Left(title) => title,
            Column::Right(title) => title,
        }
    }
}

/// Writes a title row and the rows, indented by two and two apart. Cells of more than 60 columns
/// are cut.
pub(super) fn write(
    columns: &[Column],
    rows: &[Vec<String>],
    out: &mut impl Write,
) -> io::Result<()> {
    let rows: Vec<Vec<_>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| fit(cell, MAX_WIDTH, false)).collect())
        .collect();
    let width = |at: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.width()).max().unwrap_or(0).max(title.width())
    };
    let widths: Vec<usize> =
        columns.iter().enumerate().map(|(at, column)| width(at, column.title())).collect();
    line(columns, &widths, columns.iter().map(Column::title), out)?;
    rows.iter().try_for_each(|row| line(columns, &widths, row.iter().map(|cell| &**cell), out))
}

fn line<'a>(
    columns: &[Column],
    widths: &[usize],
    cells: impl Iterator<Item = &'a str>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut text = String::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        let gap = " ".repeat(width.saturating_sub(cell.width()));
        text += "  ";
        match column {
            Column::Left(_) => text += &(cell.to_owned() + &gap),
            Column::Right(_) => text += &(gap + cell),
        }
    }
    writeln!(out, "{}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let columns = [Column::Left("NAME"), Column::right("N"), Column::Left("WHERE")];
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["×", "1,000", "a"]), row(["longer", "7", "b"])];
        let mut out = Vec::new();
        write(&columns, &rows, &mut out).expect("a Vec takes everything");
        let expected = "  NAME        N  WHERE\n  ×       1,000  a\n  longer      7  b\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }
    #[test]
    fn a_long_cell_is_cut_and_wide_characters_line_up() {
        let columns = [Column::Left("NAME"), Column::right("N")];
        let rows = ["x".repeat(500), "漢字".to_owned()].map(|name| vec![name, "1".to_owned()]);
        let mut out = Vec::new();
        write(&columns, &rows, &mut out).expect("a Vec takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        let widths: Vec<_> = text.lines().map(UnicodeWidthStr::width).collect();
        assert_eq!(widths, [65, 65, 65], "{text}");
        assert!(text.contains("x…  1"), "{text}");
    }
}

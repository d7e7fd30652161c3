//! Columns that line up.

use std::io::{self, Write};

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

/// Writes a title row and the rows, indented by two and two apart.
pub(super) fn write(
    columns: &[Column],
    rows: &[Vec<String>],
    out: &mut impl Write,
) -> io::Result<()> {
    let width = |at: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(title.chars().count())
    };
    let widths: Vec<usize> =
        columns.iter().enumerate().map(|(at, column)| width(at, column.title())).collect();
    line(columns, &widths, columns.iter().map(Column::title), out)?;
    rows.iter().try_for_each(|row| line(columns, &widths, row.iter().map(String::as_str), out))
}

fn line<'a>(
    columns: &[Column],
    widths: &[usize],
    cells: impl Iterator<Item = &'a str>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut text = String::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        text += "  ";
        match column {
            Column::Left(_) => text += &format!("{cell:<width$}"),
            Column::Right(_) => text += &format!("{cell:>width$}"),
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
}

//! Text tables with aligned columns.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use unicode_width::UnicodeWidthStr;

use crate::{
    model::{self, Field, Row, TargetModel, Value},
    snapshot::{Description, FieldId},
    text::{UNAVAILABLE, count, fit},
};

/// Maximum width of a cell, so that a long name does not widen the table.
const MAX_WIDTH: usize = 60;

/// A column of a table.
pub(super) struct Column {
    title: Cow<'static, str>,
    is_right: bool,
    field: Option<FieldId>,
}

impl Column {
    /// A left-aligned column.
    pub(super) fn left(title: &'static str) -> Self {
        Column { title: title.into(), is_right: false, field: None }
    }

    /// A right-aligned column, for numbers.
    pub(super) fn right(title: impl Into<Cow<'static, str>>) -> Self {
        Column { title: title.into(), is_right: true, field: None }
    }

    /// Shows `–` in the column if the target does not provide the field.
    pub(super) fn of(self, field: FieldId) -> Self {
        Column { field: Some(field), ..self }
    }

    fn is_available(&self, description: &Description) -> bool {
        self.field.is_none_or(|field| description.has(field))
    }
}

/// Writes the titles and the rows, with two spaces before each column. Cells over 60 columns are
/// truncated.
pub(super) fn write(
    columns: &[Column],
    rows: &[Vec<String>],
    description: &Description,
    out: &mut impl Write,
) -> io::Result<()> {
    let has: Vec<bool> = columns.iter().map(|column| column.is_available(description)).collect();
    let rows: Vec<Vec<_>> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(&has);
            let cells = cells.map(|(cell, has)| if *has { cell } else { UNAVAILABLE });
            cells.map(|cell| fit(cell, MAX_WIDTH, false)).collect()
        })
        .collect();
    let width = |i: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(i));
        cells.map(|cell| cell.width()).max().unwrap_or(0).max(title.width())
    };
    let widths: Vec<usize> =
        columns.iter().enumerate().map(|(i, column)| width(i, &column.title)).collect();
    line(columns, &widths, columns.iter().map(|column| &*column.title), out)?;
    rows.iter().try_for_each(|row| line(columns, &widths, row.iter().map(|cell| &**cell), out))
}

/// Writes the fields with these names of rows of a target.
pub(super) fn write_fields<'a, R: Row>(
    names: &[model::Column],
    target: &TargetModel,
    rows: impl Iterator<Item = &'a R>,
    out: &mut impl Write,
) -> io::Result<()> {
    let fields: Vec<_> = names.iter().filter_map(|name| model::field::<R>(name)).collect();
    let columns: Vec<_> = fields
        .iter()
        .map(|field| Column {
            title: field.title.into(),
            is_right: field.kind.is_number(),
            field: None,
        })
        .collect();
    let text = |field: &&Field<R>, row| match field.exact_value(target, row) {
        // Such as a task without a stage.
        Value::Unknown if !field.kind.is_number() && field.is_in(target) => String::new(),
        value => field.kind.full_text(&value),
    };
    let rows: Vec<Vec<_>> =
        rows.map(|row| fields.iter().map(|field| text(field, row)).collect()).collect();
    write(&columns, &rows, &target.target().description, out)
}

/// Writes how many rows of a table have been omitted; nothing if all were written.
pub(super) fn write_omitted(all: usize, written: usize, out: &mut impl Write) -> io::Result<()> {
    match all.saturating_sub(written) {
        0 => Ok(()),
        omitted => writeln!(out, "  … and {} more", count(omitted as u64)),
    }
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
        match column.is_right {
            true => text += &(gap + cell),
            false => text += &(cell.to_owned() + &gap),
        }
    }
    writeln!(out, "{}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let columns = [Column::left("NAME"), Column::right("N"), Column::left("WHERE")];
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["×", "1,000", "a"]), row(["longer", "7", "b"])];
        let mut out = Vec::new();
        write(&columns, &rows, &Description::new("test"), &mut out)
            .expect("a Vec takes everything");
        let expected = "  NAME        N  WHERE\n  ×       1,000  a\n  longer      7  b\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn unavailable_values_are_dashes() {
        let columns = [Column::left("NAME"), Column::right("POLLS").of(FieldId::Polls)];
        let rows = [["a", "7"], ["b", "8"]].map(|row| row.map(str::to_owned).to_vec());
        let description = Description::new("test").without([FieldId::Polls], "not counted");
        let mut out = Vec::new();
        write(&columns, &rows, &description, &mut out).expect("a Vec takes everything");
        let expected = "  NAME  POLLS\n  a         –\n  b         –\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn long_cells_are_truncated_and_wide_characters_align() {
        let columns = [Column::left("NAME"), Column::right("N")];
        let rows = ["x".repeat(500), "漢字".to_owned()].map(|name| vec![name, "1".to_owned()]);
        let mut out = Vec::new();
        write(&columns, &rows, &Description::new("test"), &mut out)
            .expect("a Vec takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        let widths: Vec<_> = text.lines().map(UnicodeWidthStr::width).collect();
        assert_eq!(widths, [65, 65, 65], "{text}");
        assert!(text.contains("x…  1"), "{text}");
    }
}

//! Tables: the columns that fit, their places, and the visible rows.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use crate::app::{App, HitTarget};

/// The space that a column needs.
#[derive(Clone, Copy, Debug)]
pub struct Spec<C> {
    pub column: C,
    /// Minimum width.
    pub width: u16,
    /// Additional width that the column can use.
    pub grow: u16,
    /// Columns with a high rank are dropped first.
    pub rank: u8,
    /// Whether the text is aligned to the right.
    pub right: bool,
}

impl<C> Spec<C> {
    /// A column of numbers.
    pub const fn number(column: C, width: u16, rank: u8) -> Self {
        Spec { column, width, grow: 0, rank, right: true }
    }

    /// A column of text.
    pub const fn text(column: C, width: u16, grow: u16, rank: u8) -> Self {
        Spec { column, width, grow, rank, right: false }
    }
}

/// A column and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<C> {
    pub column: C,
    pub x: u16,
    pub width: u16,
    pub right: bool,
}

impl<C> Place<C> {
    /// Writes the text of a cell. A path that does not fit is cut at its start.
    pub fn put(&self, canvas: &mut Canvas<'_>, y: u16, text: &str, style: Style, is_path: bool) {
        if self.right {
            canvas.put_right(self.x, y, self.width, text, style);
        } else if is_path {
            canvas.put_path(self.x, y, self.width, text, style);
        } else {
            canvas.put(self.x, y, self.width, text, style);
        }
    }

    /// Writes the title of the column. `descending` is the direction if rows are sorted by it.
    pub fn put_title(
        &self,
        canvas: &mut Canvas<'_>,
        y: u16,
        title: &str,
        descending: Option<bool>,
    ) {
        let theme = canvas.theme;
        let mark = match descending {
            Some(true) => theme.glyph("▼", "v"),
            Some(false) => theme.glyph("▲", "^"),
            None => "",
        };
        // There is no room for the mark beside a title of one character.
        let (title, style) = match descending {
            Some(_) if self.width == 1 => (mark.to_owned(), theme.key()),
            Some(_) => (format!("{title}{mark}"), theme.key()),
            None => (title.to_owned(), theme.title()),
        };
        self.put(canvas, y, &title, style, false);
    }

    /// The part of the title line that belongs to the column: its width and the gap after it.
    pub fn title_area(&self, y: u16) -> Rect {
        Rect::new(self.x, y, self.width + 1, 1)
    }
}

/// Makes room for the mark beside the title of the sorted column, so that titles keep a space
/// between them.
pub fn with_mark<C: Copy + PartialEq>(specs: &[Spec<C>], sorted: C, title: &str) -> Vec<Spec<C>> {
    let mut specs = specs.to_vec();
    for spec in specs.iter_mut().filter(|spec| spec.column == sorted && spec.width > 1) {
        spec.width = spec.width.max(title.width() as u16 + 1);
    }
    specs
}

/// Chooses columns by rank until the line is full, `sorted` always among them, and distributes the
/// rest of the width.
pub fn places<C: Copy + PartialEq>(specs: &[Spec<C>], sorted: C, width: u16) -> Vec<Place<C>> {
    let mut by_rank: Vec<&Spec<C>> = specs.iter().collect();
    by_rank.sort_by_key(|spec| if spec.column == sorted { 0 } else { spec.rank });
    let mut left = width.saturating_sub(1);
    let mut chosen = Vec::new();
    for spec in by_rank {
        // The first column that does not fit ends the choice: a narrow column must not replace a
        // more important one.
        if spec.width > left && !chosen.is_empty() {
            break;
        }
        left = left.saturating_sub(spec.width + 1);
        chosen.push(spec.column);
    }
    let mut x = 1;
    let mut places = Vec::with_capacity(chosen.len());
    for spec in specs.iter().filter(|spec| chosen.contains(&spec.column)) {
        let grown = spec.grow.min(left);
        left -= grown;
        let wanted = spec.width + grown;
        let width = wanted.min(width.saturating_sub(x));
        places.push(Place { column: spec.column, x, width, right: spec.right });
        x += wanted + 1;
    }
    places
}

/// The visible rows of the screen, each with its line. The first line of `area` has the titles.
pub fn visible_rows(app: &App, area: Rect) -> impl Iterator<Item = (usize, u16)> + use<> {
    (app.cursor().top()..app.row_count()).zip(area.y + 1..area.bottom())
}

/// Completes a row: it can be clicked, and is highlighted if it is selected.
pub fn finish_row(app: &App, canvas: &mut Canvas<'_>, area: Rect, row: usize, y: u16) {
    let line = Rect::new(area.x, y, area.width, 1);
    canvas.on_click(line, HitTarget::Row(row));
    if app.cursor().is_at(row) {
        canvas.highlight(line, canvas.theme.selected());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: [Spec<char>; 3] =
        [Spec::number('a', 5, 2), Spec::text('b', 10, 20, 1), Spec::number('c', 8, 3)];

    fn columns(sorted: char, width: u16) -> String {
        places(&SPECS, sorted, width).iter().map(|place| place.column).collect()
    }

    #[test]
    fn columns_are_dropped_by_rank_and_the_sorted_one_stays() {
        assert_eq!(columns('b', 40), "abc");
        assert_eq!(columns('b', 20), "ab");
        assert_eq!(columns('b', 12), "b");
        assert_eq!(columns('c', 22), "bc");
        assert_eq!(columns('c', 10), "c");
    }

    #[test]
    fn sorted_column_has_room_for_its_mark() {
        let width = |title| with_mark(&SPECS, 'a', title)[0].width;
        assert_eq!((width("POLLS"), width("BUSY"), width("ID")), (6, 5, 5));
    }

    #[test]
    fn columns_stay_inside_the_line_and_do_not_overlap() {
        for width in 1..100 {
            let places = places(&SPECS, 'c', width);
            assert!(places.iter().all(|place| place.x + place.width <= width.max(1)), "{width}");
            assert!(places.windows(2).all(|pair| pair[0].x + pair[0].width < pair[1].x));
        }
    }
}

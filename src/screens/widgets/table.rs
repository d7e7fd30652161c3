//! Which columns fit, and where they stand.

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;

/// What a table wants of a column.
#[derive(Clone, Copy, Debug)]
pub struct Spec<C> {
    pub column: C,
    /// Columns of the terminal that it needs.
    pub width: u16,
    /// Columns that it can use beyond that.
    pub grow: u16,
    /// Lower leaves later.
    pub rank: u8,
    pub right: bool,
}

/// A column in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<C> {
    pub column: C,
    pub x: u16,
    pub width: u16,
    pub right: bool,
}

impl<C> Place<C> {
    /// Writes the text of a cell; of a path the end stays if it does not fit.
    pub fn put(&self, canvas: &mut Canvas<'_>, y: u16, text: &str, style: Style, is_path: bool) {
        if self.right {
            canvas.put_right(self.x, y, self.width, text, style);
        } else if is_path {
            canvas.put_path(self.x, y, self.width, text, style);
        } else {
            canvas.put(self.x, y, self.width, text, style);
        }
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

/// Chooses columns by rank until the line is full, `sorted` always among them, and shares
/// out what is left of the width.
pub fn places<C: Copy + PartialEq>(specs: &[Spec<C>], sorted: C, width: u16) -> Vec<Place<C>> {
    let mut by_rank: Vec<&Spec<C>> = specs.iter().collect();
    by_rank.sort_by_key(|spec| if spec.column == sorted { 0 } else { spec.rank });
    let mut left = width.saturating_sub(1);
    let mut chosen = Vec::new();
    for spec in by_rank {
        // The first without a place ends it: something narrow must not push itself before
        // what says more.
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

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: [Spec<char>; 3] = [
        Spec { column: 'a', width: 5, grow: 0, rank: 2, right: true },
        Spec { column: 'b', width: 10, grow: 20, rank: 1, right: false },
        Spec { column: 'c', width: 8, grow: 0, rank: 3, right: true },
    ];

    fn shown(sorted: char, width: u16) -> String {
        places(&SPECS, sorted, width).iter().map(|place| place.column).collect()
    }

    #[test]
    fn columns_leave_by_rank_and_the_sorted_one_stays() {
        assert_eq!(shown('b', 40), "abc");
        assert_eq!(shown('b', 20), "ab");
        assert_eq!(shown('b', 12), "b");
        assert_eq!(shown('c', 22), "bc");
        assert_eq!(shown('c', 10), "c");
    }

    #[test]
    fn sorted_column_has_room_for_its_mark() {
        let width = |title| with_mark(&SPECS, 'a', title)[0].width;
        assert_eq!((width("POLLS"), width("BUSY"), width("ID")), (6, 5, 5));
    }

    #[test]
    fn nothing_stands_outside_of_the_line_or_over_its_neighbour() {
        for width in 1..100 {
            let places = places(&SPECS, 'c', width);
            assert!(places.iter().all(|place| place.x + place.width <= width.max(1)), "{width}");
            assert!(places.windows(2).all(|pair| pair[0].x + pair[0].width < pair[1].x));
        }
    }
}

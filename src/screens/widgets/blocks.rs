//! Rows of several lines: how many lines each visible row gets.

use crate::app::{App, Cursor, RowKey};

/// The lines that a row has if there is not enough room for all lines of all rows.
const MIN_LINES: u16 = 2;

/// The visible rows of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The first visible row.
    pub first: usize,
    /// The lines of each visible row.
    pub lines: Vec<u16>,
    /// The number of rows that are visible wherever the list is scrolled to; `None` if all are
    /// visible.
    scrolled: Option<usize>,
}

impl Blocks {
    /// The rows of a list that wants these lines, in `available` lines.
    pub fn of(app: &App, wanted: &[u16], available: u16) -> Blocks {
        let cursor: &Cursor<RowKey> = app.cursor();
        Blocks::new(wanted, cursor.row(), cursor.top(), available)
    }

    /// Each row has two lines if it wants them. If there are not enough lines, the list is scrolled to
    /// `top`. The selected row and then those at the top get the lines that are left.
    fn new(wanted: &[u16], selected: usize, top: usize, available: u16) -> Blocks {
        let min: Vec<u16> = wanted.iter().map(|wanted| (*wanted).min(MIN_LINES)).collect();
        let sum: usize = min.iter().map(|lines| usize::from(*lines)).sum();
        if sum <= usize::from(available) {
            let mut lines = min;
            add(&mut lines, wanted, Some(selected), available - sum as u16);
            return Blocks { first: 0, lines, scrolled: None };
        }
        let visible = usize::from(available / MIN_LINES).clamp(1, wanted.len());
        let mut first = top.min(wanted.len() - visible);
        let mut lines = Vec::new();
        let mut left = available;
        for wanted in &min[first..] {
            // A single line of a row is better than none.
            let is_cut = *wanted > left && lines.is_empty();
            let Some(rest) = left.checked_sub(if is_cut { left } else { *wanted }) else { break };
            lines.push(left - rest);
            left = rest;
        }
        // At the end of the list, rows that want one line leave room for rows before them.
        while first + lines.len() == min.len() && first > 0 && min[first - 1] <= left {
            first -= 1;
            lines.insert(0, min[first]);
            left -= min[first];
        }
        add(&mut lines, &wanted[first..], selected.checked_sub(first), left);
        Blocks { first, lines, scrolled: Some(visible) }
    }

    /// The number of rows that are visible at once, of `rows`.
    pub fn visible_rows(&self, rows: usize) -> usize {
        self.scrolled.unwrap_or(rows)
    }
}

/// Distributes `left` lines among rows that want more, the selected one first.
fn add(lines: &mut [u16], wanted: &[u16], selected: Option<usize>, mut left: u16) {
    let rows = lines.len();
    for at in selected.into_iter().chain(0..rows).filter(|at| *at < rows) {
        let more = wanted[at].saturating_sub(lines[at]).min(left);
        lines[at] += more;
        left -= more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks(wanted: &[u16], selected: usize, top: usize, available: u16) -> (usize, Vec<u16>) {
        let Blocks { first, lines, .. } = Blocks::new(wanted, selected, top, available);
        (first, lines)
    }

    #[test]
    fn lines_that_are_left_go_to_the_selected_row_and_then_to_the_first_ones() {
        let wanted = [3, 2, 4, 3];
        assert_eq!(blocks(&wanted, 2, 0, 12), (0, vec![3, 2, 4, 3]));
        assert_eq!(blocks(&wanted, 2, 0, 11), (0, vec![3, 2, 4, 2]));
        assert_eq!(blocks(&wanted, 3, 0, 9), (0, vec![2, 2, 2, 3]));
        assert_eq!(blocks(&wanted, 9, 0, 8), (0, vec![2, 2, 2, 2]));
    }

    #[test]
    fn list_scrolls_when_two_lines_each_do_not_fit() {
        let wanted = [3, 2, 4, 3];
        assert_eq!(blocks(&wanted, 0, 0, 7), (0, vec![3, 2, 2]));
        assert_eq!(blocks(&wanted, 3, 1, 7), (1, vec![2, 2, 3]));
        assert_eq!(blocks(&wanted, 9, 7, 4), (2, vec![2, 2]), "below the list");
        assert_eq!(blocks(&wanted, 0, 0, 1), (0, vec![1]));
        assert_eq!(blocks(&[2, 1, 1, 1, 1], 4, 3, 4), (1, vec![1, 1, 1, 1]));
        assert_eq!(blocks(&[], 0, 0, 0), (0, vec![]));
    }

    proptest! {
        #[test]
        fn selected_row_is_visible_and_lines_fit(
            wanted in prop::collection::vec(1u16..5, 1..40),
            selected in 0usize..40,
            top in 0usize..40,
            available in 1u16..60,
        ) {
            let selected = selected.min(wanted.len() - 1);
            let visible = Blocks::new(&wanted, selected, top, available).visible_rows(wanted.len());
            // As the cursor scrolls.
            let top = top.clamp((selected + 1).saturating_sub(visible), selected);
            let (first, lines) = blocks(&wanted, selected, top, available);
            prop_assert!(lines.iter().sum::<u16>() <= available);
            prop_assert!((first..first + lines.len()).contains(&selected), "{first} {lines:?}");
            prop_assert!(lines.iter().all(|lines| *lines > 0));
        }
    }
}

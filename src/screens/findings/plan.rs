//! The places of the parts of the screen.
//!
//! The list has two lines for each finding, and more while there are any. The impact table stays
//! visible below it. What is left shows when findings were active, and the selected row.

use ratatui::layout::Rect;

use super::{impact, list, rules, when};
use crate::app::App;

/// From this width on, the selected row is shown to the right.
const SIDE_FROM: u16 = 160;
/// Below this height, the screen shows either findings or the impact table.
const BOTH_FROM: u16 = 10;
/// From this height on, the times of findings are shown even if the list could use the lines.
const WHEN_FROM: u16 = 20;
/// Minimum height of the preview.
const MIN_PREVIEW: u16 = 4;

pub(super) struct Plan {
    pub list: Rect,
    /// The titles above the list: one line or none.
    pub titles: u16,
    /// The first visible finding.
    pub first: usize,
    /// Whether not all findings are visible.
    is_scrolled: bool,
    /// The lines of each visible finding.
    pub lines: Vec<u16>,
    pub impact: Rect,
    pub when: Rect,
    pub preview: Rect,
}

impl Plan {
    pub(super) fn new(app: &App, area: Rect) -> Plan {
        let has_side = area.width >= SIDE_FROM && area.height >= MIN_PREVIEW;
        let side = if has_side { area.width * 2 / 5 } else { 0 };
        let main = Rect { width: area.width - side, ..area };
        let findings = app.model().all_findings();
        let offenders = app.row_count().saturating_sub(findings.len());
        let wanted: Vec<u16> = findings
            .iter()
            .map(|finding| list::Block::new(app, finding, main.width).height())
            .collect();

        let titles = u16::from(list::has_numbers(main.width) && area.height >= 6);
        let titles = if findings.is_empty() { 0 } else { titles };
        let mut impact = impact::height(offenders, area.height);
        let mut left = area.height;
        if area.height < BOTH_FROM {
            let is_in_impact = offenders > 0 && app.cursor().row() >= findings.len();
            impact = if is_in_impact { area.height } else { 0 };
        }
        left -= impact;
        let wanted_when = when::height(findings.len());
        let reserved = if area.height >= WHEN_FROM { wanted_when.min(area.height / 4) } else { 0 };
        let wanted_list = match findings.is_empty() {
            true => rules::height(app, main.width),
            false => wanted.iter().sum::<u16>() + titles,
        };
        let list = wanted_list.min(left.saturating_sub(reserved));
        left -= list;
        let when = wanted_when.min(left);
        // A title alone says nothing.
        let when = if when < 2 { 0 } else { when };
        left -= when;
        let preview = if left >= MIN_PREVIEW { left } else { 0 };

        let mut y = area.y;
        let mut place = |height: u16| {
            let part = Rect { y, height, ..main };
            y += height;
            part
        };
        let (list, impact, when, below) = (place(list), place(impact), place(when), place(preview));
        let preview = match has_side {
            true => Rect { x: main.right() + 1, width: side - 1, ..area },
            false => below,
        };
        let available = list.height - titles.min(list.height);
        let (first, lines) = distribute(&wanted, app.cursor().row(), app.cursor().top(), available);
        let is_scrolled = lines.len() < findings.len();
        Plan { list, titles, first, is_scrolled, lines, impact, when, preview }
    }

    /// The rows that fit without scrolling, of `rows`.
    pub(super) fn visible_rows(&self, rows: usize) -> usize {
        if self.is_scrolled { self.lines.len() } else { rows }
    }
}

/// The first visible finding, and the lines of each visible one. Each has two lines if possible.
/// The selected one and then those at the top get the lines that are left.
fn distribute(wanted: &[u16], selected: usize, top: usize, available: u16) -> (usize, Vec<u16>) {
    let mut lines: Vec<u16> = wanted.iter().map(|wanted| (*wanted).min(2)).collect();
    let Some(mut left) = available.checked_sub(lines.iter().sum()) else {
        let visible = usize::from(available / 2).clamp(1, wanted.len().max(1));
        let first = top.min(wanted.len() - visible.min(wanted.len()));
        return (first, vec![available.min(2); visible]);
    };
    for at in [selected].into_iter().chain(0..wanted.len()).filter(|at| *at < wanted.len()) {
        let more = (wanted[at] - lines[at]).min(left);
        lines[at] += more;
        left -= more;
    }
    (0, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_left_go_to_the_selected_finding_and_then_to_the_first_ones() {
        let wanted = [3, 2, 4, 3];
        assert_eq!(distribute(&wanted, 2, 0, 12), (0, vec![3, 2, 4, 3]));
        assert_eq!(distribute(&wanted, 2, 0, 11), (0, vec![3, 2, 4, 2]));
        assert_eq!(distribute(&wanted, 3, 0, 9), (0, vec![2, 2, 2, 3]));
        assert_eq!(distribute(&wanted, 9, 0, 8), (0, vec![2, 2, 2, 2]));
    }

    #[test]
    fn list_scrolls_when_two_lines_each_do_not_fit() {
        let wanted = [3, 2, 4, 3];
        assert_eq!(distribute(&wanted, 0, 0, 7), (0, vec![2, 2, 2]));
        assert_eq!(distribute(&wanted, 3, 1, 7), (1, vec![2, 2, 2]));
        assert_eq!(distribute(&wanted, 9, 7, 4), (2, vec![2, 2]), "in the impact table");
        assert_eq!(distribute(&wanted, 0, 0, 1), (0, vec![1]));
        assert_eq!(distribute(&[], 0, 0, 0), (0, vec![]));
    }
}

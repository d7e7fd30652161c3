//! The places of the parts of the screen.
//!
//! The list has two lines for each finding, and more while there are any. The impact table stays
//! visible below it. What is left shows when findings were active, and the selected row.

use ratatui::layout::Rect;

use super::{impact, list, rules, when};
use crate::{app::App, screens::widgets::blocks::Blocks};

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
    /// The visible findings.
    pub blocks: Blocks,
    pub impact: Rect,
    pub when: Rect,
    pub preview: Rect,
}

impl Plan {
    pub(super) fn new(app: &App, area: Rect) -> Plan {
        let has_side = area.width >= SIDE_FROM && area.height >= MIN_PREVIEW;
        let side = if has_side { area.width * 2 / 5 } else { 0 };
        let main = Rect { width: area.width - side, ..area };
        let findings = app.findings();
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
            false => wanted.iter().fold(titles, |sum, lines| sum.saturating_add(*lines)),
        };
        let list = wanted_list.min(left.saturating_sub(reserved));
        left -= list;
        let when = wanted_when.min(left);
        // A title alone is not useful.
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
        let blocks = Blocks::of(app, &wanted, available);
        Plan { list, titles, blocks, impact, when, preview }
    }
}

//! The time axis below the tracks, counted back from now.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::{app::App, screens::widgets::canvas::Canvas};

/// Minimum distance of two labels, in columns.
const APART: u64 = 13;

pub(super) fn draw(
    app: &App,
    canvas: &mut Canvas<'_>,
    area: Rect,
    label_width: u16,
    count: usize,
    (from, to): (u64, u64),
) {
    let timeline = app.polls();
    let (theme, now) = (canvas.theme, timeline.now_ns());
    let (x, right) = (area.x + label_width, area.right());
    let span = to.saturating_sub(from).max(1);
    let step = step((span / (count as u64 / APART).max(1)).max(1));
    // The right edge has its own label.
    let edge = label(now.saturating_sub(to), step);
    let width = right.saturating_sub(edge.width() as u16 + 1);
    let first = now.saturating_sub(from) / step;
    for back in (0..=first).rev().map(|steps| steps * step) {
        let moment = now.saturating_sub(back);
        let column =
            (u128::from(moment.saturating_sub(from)) * count as u128 / u128::from(span)) as u64;
        let Some(at) = u16::try_from(column).ok().and_then(|column| x.checked_add(column)) else {
            break;
        };
        let text = format!("{}{}", theme.glyph("│", "|"), label(back, step));
        if at + text.width() as u16 > width {
            break;
        }
        canvas.put(at, area.y, width - at, &text, theme.dim());
    }
    canvas.put_right(x, area.y, right.saturating_sub(x), &edge, theme.dim());
    if let Some(column) = app.timeline.cursor_column(timeline, count) {
        canvas.put(x + column as u16, area.y, 1, theme.glyph("▲", "^"), theme.title());
    }
}

/// The smallest power of ten, times 1, 2 or 5, that is at least `least`.
fn step(least: u64) -> u64 {
    let ten = 10u64.pow(least.ilog10());
    [1, 2, 5, 10].into_iter().map(|n| n * ten).find(|step| *step >= least).unwrap_or(least)
}

/// The label of a moment `back` ns ago, with the decimals that steps of this length need.
pub(super) fn label(back: u64, step: u64) -> String {
    let (unit, name): (u64, _) = match back {
        0 => return "now".into(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let exact = unit.ilog10().saturating_sub(step.max(1).ilog10().min(9)) as usize;
    let value = back as f64 / unit as f64;
    format!("-{value:.exact$}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        let steps = [1, 3, 10, 700_000, 1_000_000, 1_100_000].map(step);
        assert_eq!(steps, [1, 5, 10, 1_000_000, 1_000_000, 2_000_000]);
    }

    #[test]
    fn labels_have_the_decimals_of_their_steps() {
        let of = |back, step| label(back, step);
        assert_eq!(of(0, 1), "now");
        assert_eq!(of(8_000_000_000, 2_000_000_000), "-8s");
        assert_eq!(of(1_500_000_000, 500_000_000), "-1.5s");
        assert_eq!(of(3_214_500_000, 100_000), "-3.2145s");
        assert_eq!(of(40_000, 20_000), "-40µs");
        assert_eq!(of(3_214_567, 1_000), "-3.215ms");
        assert_eq!(of(700, 100), "-700ns");
    }
}

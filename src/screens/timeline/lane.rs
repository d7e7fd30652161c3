//! The number of runnable tasks over time, below the tracks. It is known at each sample only.

use ratatui::layout::Rect;

use crate::{
    app::App,
    model::column_bounds,
    screens::widgets::{bars::level, canvas::Canvas},
};

pub(super) fn draw(
    app: &App,
    canvas: &mut Canvas<'_>,
    area: Rect,
    label: u16,
    columns: usize,
    (from, to): (u64, u64),
) {
    let Some(model) = app.selected() else { return };
    let theme = canvas.theme;
    let runnable: Vec<Option<u64>> = (0..columns)
        .map(|column| {
            let (begin, end) = column_bounds(from, to, column, columns);
            model.history().points().at(begin + (end - begin) / 2)?.runnable
        })
        .collect();
    let largest = runnable.iter().flatten().copied().max();
    let eighths = f64::from(area.height) * 8.0;
    let height = |count: Option<u64>| match (count, largest) {
        (Some(count @ 1..), Some(largest)) => {
            ((count as f64 / largest as f64 * eighths).round() as usize).max(1)
        }
        _ => 0,
    };
    for line in 0..area.height {
        let below = usize::from(area.height - 1 - line) * 8;
        let cell = |count: &Option<u64>| match count {
            None if line + 1 == area.height => {
                if theme.ascii {
                    '~'
                } else {
                    '╌'
                }
            }
            count => level(theme, height(*count).saturating_sub(below).min(8)),
        };
        let text: String = runnable.iter().map(cell).collect();
        canvas.put(area.x + label, area.y + line, u16::MAX, &text, theme.warning());
    }
    let name = if label < 10 { " run" } else { " runnable" };
    canvas.put(area.x, area.y, label, name, theme.title());
    if let Some(largest) = largest.filter(|largest| area.height > 1 && *largest > 0) {
        let text = format!("max {largest}");
        canvas.put_right(area.x, area.y + 1, label - 1, &text, theme.dim());
    }
}

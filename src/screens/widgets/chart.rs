//! A graph of one statistic with the labels of its axis, over the part of the history that graphs show.
//!
//! ```text
//!  100%      ⢀⣠⣴⣾⣿
//!   50%      ⣸⣿⣿⣿⣿
//!    0% ⣀⣀⣠⣀⣀⣿⣿⣿⣿⣿
//! ```

use ratatui::layout::Rect;

use super::{
    canvas::Canvas,
    graph::{VALUES_PER_CELL, area as chart_lines},
};
use crate::app::{App, HitTarget};

/// The width of the labels.
pub const AXIS: u16 = 6;

/// Draws a graph. `columns` returns that many values from 0 to 1; `axis` has the labels of the top, the
/// middle and the bottom.
pub fn draw(
    app: &App,
    canvas: &mut Canvas<'_>,
    area: Rect,
    [top, middle, bottom]: [&str; 3],
    columns: impl Fn(usize) -> Vec<Option<f64>>,
) {
    let theme = canvas.theme;
    let width = area.width.saturating_sub(AXIS + 1);
    if area.height == 0 || width == 0 {
        return;
    }
    let values = columns(usize::from(width) * VALUES_PER_CELL);
    let lines = chart_lines(theme, &values, usize::from(area.height));
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        canvas.put(area.x + AXIS, y, width, line, theme.busy());
    }
    canvas.put_right(area.x, area.y, AXIS - 1, top, theme.dim());
    if area.height >= 5 {
        canvas.put_right(area.x, area.y + area.height / 2, AXIS - 1, middle, theme.dim());
    }
    canvas.put_right(area.x, area.bottom() - 1, AXIS - 1, bottom, theme.dim());
    select(app, canvas, Rect { x: area.x + AXIS, width, ..area });
}

/// Makes a graph selectable by a drag, and shows what is selected so far.
pub fn select(app: &App, canvas: &mut Canvas<'_>, chart: Rect) {
    let columns = usize::from(chart.width);
    canvas.on_click(chart, HitTarget::Graph { column: 0, columns });
    if let Some((from, to)) = app.graph_drag(columns) {
        let selected = Rect { x: chart.x + from as u16, width: (to - from) as u16, ..chart };
        let selected = selected.intersection(chart);
        for y in selected.y..selected.bottom() {
            canvas.highlight(Rect { y, height: 1, ..selected }, canvas.theme.selected());
        }
    }
}

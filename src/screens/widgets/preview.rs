//! The pane about the selected row, below a table.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::{
    canvas::{Canvas, Spans},
    columns,
};

/// The part of an area for the table, and the last lines.
pub fn split(area: Rect, height: u16) -> [Rect; 2] {
    let height = height.min(area.height);
    let table = Rect { height: area.height - height, ..area };
    [table, Rect { y: table.bottom(), height, ..area }]
}

/// The columns of a pane; on a narrow screen only one.
pub fn columns(area: Rect) -> (Rect, Option<Rect>) {
    let Some([left, right]) = columns::widths(area.width) else { return (area, None) };
    let [left, right] = [left, right].map(|width| u16::try_from(width).unwrap_or(u16::MAX));
    let second = Rect { x: area.x + left + 1, width: right, ..area };
    (Rect { width: left, ..area }, Some(second))
}

/// Draws lines, as many as fit.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, lines: &[Spans]) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), line);
    }
}

/// Draws a line with a title, and lines below it.
pub fn draw_titled(canvas: &mut Canvas<'_>, area: Rect, title: &str, lines: &[Spans]) {
    if area.height == 0 {
        return;
    }
    let theme = canvas.theme;
    let rule = theme.glyph("─", "-");
    let width = usize::from(area.width).saturating_sub(title.width() + 6);
    let spans = vec![
        (format!("{} ", rule.repeat(4)), theme.dim()),
        (title.to_owned(), theme.title()),
        (format!(" {}", rule.repeat(width)), theme.dim()),
    ];
    canvas.line(area.x, area.y, area.right(), &spans);
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    draw(canvas, below, lines);
}

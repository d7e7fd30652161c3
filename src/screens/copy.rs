//! The text that is copied: the details, or the selected row.

use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
};

use super::{
    entry, overlay,
    theme::Theme,
    widgets::canvas::{Canvas, Spans},
};
use crate::app::{App, HitTarget, List, Opened};

/// Details in one column, with all of each sentence.
const DETAILS: Size = Size::new(109, 0);
/// Rows with all columns.
const ROW_WIDTH: u16 = 240;

/// The details that are shown, or those of the selected finding or resource, or the selected row with
/// all its columns but graphs. `None` if there is no row.
pub fn copied_text(app: &App, size: Size) -> Option<String> {
    let theme = Theme::new(app.settings);
    if let Some(lines) = overlay::lines(app, theme, DETAILS) {
        return Some(text(&lines));
    }
    let spec = app.screen().spec;
    if matches!(spec.list, List::Findings | List::Resources) {
        let Ok(Opened::Overlay(details)) = (spec.open)(app) else { return None };
        return Some(text(&overlay::lines_of(app, theme, DETAILS, &details)));
    }
    let area = Rect::new(0, 0, ROW_WIDTH.max(size.width), size.height);
    let mut buffer = Buffer::empty(area);
    let mut canvas = Canvas::new(&mut buffer, app.settings);
    (entry(app).draw)(&app.without_graphs(), &mut canvas, area);
    let hit_map = canvas.into_hit_map();
    let areas = hit_map.areas(HitTarget::Row(app.cursor().row()));
    let lines = areas.flat_map(|area| area.rows());
    let line = |row: Rect| {
        let cells = row.columns().filter_map(|cell| buffer.cell(cell.as_position()));
        cells.map(|cell| cell.symbol()).collect::<String>().trim().to_owned()
    };
    let lines: Vec<String> = lines.map(line).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn text(lines: &[Spans]) -> String {
    let line = |spans: &Spans| {
        let line: String = spans.iter().map(|(text, _)| text.as_str()).collect();
        line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()
    };
    let lines: Vec<String> = lines.iter().map(line).collect();
    lines.join("\n").trim_end().to_owned()
}

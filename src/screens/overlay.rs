//! The views over a screen: help and details. Each is a list of lines that can be scrolled.

use ratatui::layout::{Rect, Size};

use super::{
    findings, help, resources, task,
    theme::Theme,
    widgets::canvas::{Canvas, Spans},
};
use crate::app::{App, Overlay};

/// All lines of the view over the screen, which are scrolled if they are more than the height.
pub(super) fn lines(app: &App, theme: Theme, size: Size) -> Option<Vec<Spans>> {
    Some(lines_of(app, theme, size, app.overlay()?))
}

/// All lines of a view.
pub(super) fn lines_of(app: &App, theme: Theme, size: Size, overlay: &Overlay) -> Vec<Spans> {
    let width = size.width;
    match overlay {
        Overlay::Help => help::lines(app, theme, width),
        Overlay::Task(key) => task::lines(app, theme, size, *key),
        Overlay::Finding(id) => findings::detail::lines(app, theme, width, id),
        Overlay::Offender(id) => findings::offender::lines(app, theme, width, id),
        Overlay::Resource(key) => resources::detail::lines(app, theme, *key),
    }
}

/// The title of the view over the screen.
pub(super) fn title(app: &App, theme: Theme) -> Option<Spans> {
    let title = match app.overlay()? {
        Overlay::Help => " Help",
        Overlay::Task(_) => " Task",
        Overlay::Finding(_) => " Finding",
        Overlay::Offender(_) => " Long polls",
        Overlay::Resource(_) => " Resource",
    };
    Some(vec![(title.to_owned(), theme.title())])
}

/// Draws the lines from `scroll` on, and the number of the lines below.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, lines: &[Spans], scroll: usize) {
    let visible = usize::from(area.height);
    let top = scroll.min(lines.len().saturating_sub(visible));
    for (line, y) in lines.iter().skip(top).take(visible).zip(area.y..) {
        canvas.line(area.x, y, area.right(), line);
    }
    let below = lines.len().saturating_sub(top + visible);
    if below > 0 && area.height > 1 {
        let text = format!(" {below} more {} ", canvas.theme.glyph("↓", "v"));
        let style = canvas.theme.selected();
        canvas.put_right(area.x, area.bottom() - 1, area.width, &text, style);
    }
}

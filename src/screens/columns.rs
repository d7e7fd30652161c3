//! The choice of columns, over the body of a screen.

use ratatui::{layout::Rect, style::Style};

use super::{
    groups,
    widgets::{
        canvas::{Canvas, Spans},
        table,
    },
    workers,
};
use crate::{
    app::{App, List},
    model::{Column, Field, ResourceRow, Row, TaskRow},
    text::wrap,
};

/// The chosen columns for which the targets have values, and those that have room.
fn available_and_fitting(app: &App, area: Rect) -> [Vec<Column>; 2] {
    fn of<R: Row>(
        app: &App,
        width: u16,
        is_hidden: impl Fn(&Field<R>) -> bool,
    ) -> [Vec<Column>; 2] {
        let available = app.columns::<R>().iter().map(|field| field.name).collect();
        [available, table::fitting(app, width, is_hidden)]
    }
    match app.list() {
        List::Tasks => of::<TaskRow>(app, area.width, |_| false),
        List::Groups => of(app, area.width, |field| groups::is_hidden(app, field)),
        List::Resources => of::<ResourceRow>(app, area.width, |_| false),
        _ => of(app, area.width, |field| workers::is_hidden(app, area.height, field)),
    }
}

/// Draws the columns with their meanings; `at` is selected.
pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect, at: usize) {
    let theme = canvas.theme;
    canvas.clear(area);
    let choices = app.column_choices();
    let [available, fitting] = available_and_fitting(app, area);
    let setting = app.column_setting().map(|setting| {
        let text = format!("to keep them, in the configuration:  [columns] {setting}");
        wrap(&text, usize::from(area.width.saturating_sub(2)))
    });
    let setting = setting.filter(|lines| lines.len() + 4 <= usize::from(area.height));
    let below = setting.as_ref().map_or(0, |lines| lines.len() as u16 + 1);
    let rows = usize::from(area.height.saturating_sub(1 + below)).max(1);
    let title = " Columns: shown ones first, from left to right";
    canvas.put(area.x, area.y, area.width, title, theme.title());
    let top = (at + 1).saturating_sub(rows);
    for ((choice, row), y) in choices.iter().zip(0..).skip(top).take(rows).zip(area.y + 1..) {
        let mark = if choice.is_chosen { theme.glyph("✓", "x") } else { " " };
        let style = if choice.is_chosen { theme.title() } else { Style::new() };
        let missing = match () {
            () if !choice.is_chosen || fitting.contains(&choice.name) => "",
            () if available.contains(&choice.name) => "no room now: ",
            () => "not available: ",
        };
        let spans: Spans = vec![
            (format!(" [{mark}] "), theme.key()),
            (format!("{:<17} ", choice.title), style),
            (format!("{:<18} ", choice.name), theme.dim()),
            (missing.to_owned(), theme.warning()),
            (choice.help.to_owned(), Style::new()),
        ];
        canvas.line(area.x, y, area.right(), &spans);
        if row == at {
            canvas.highlight(Rect { y, height: 1, ..area }, theme.selected());
        }
    }
    let lines = setting.unwrap_or_default();
    for (line, y) in lines.iter().zip(area.bottom() - lines.len() as u16..) {
        canvas.put(area.x + 1, y, area.width - 1, line, theme.dim());
    }
}

//! The impact table: the long polls of the last minute by task and function.
//!
//! The delays of all tasks are added: 16 tasks that are delayed by one second each are 16
//! task-seconds.

use std::borrow::Cow;

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use crate::{
    app::App,
    model::OffenderRow,
    screens::widgets::{
        bars::bar,
        canvas::Canvas,
        preview,
        table::{self, Place, Spec},
    },
    text::{UNAVAILABLE, compact_count, duration, file_and_folder},
};

const MAX_ROWS: u16 = 10;
/// The lines above the rows: a title, and the titles of the columns.
const TITLES: u16 = 2;

/// The height of a table of this many rows on a screen of this height.
pub(super) fn height(rows: usize, screen: u16) -> u16 {
    match u16::try_from(rows).unwrap_or(u16::MAX) {
        0 => 0,
        rows => TITLES + rows.min(MAX_ROWS).min((screen / 4).max(1)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Impact,
    Bar,
    Name,
    Function,
    Caller,
    Place,
    Polls,
    Blocked,
    Delayed,
}

/// The columns. Those of text are as wide as the widest of their cells.
fn specs(app: &App, rows: &[OffenderRow<'_>]) -> [Spec<Column>; 9] {
    let text = |column, max: usize, rank| {
        let widths = rows.iter().map(|row| label(app, column, row).width());
        let widest = widths.chain([title(column).width()]).max().unwrap_or(0);
        Spec::text(column, widest.min(max) as u16, 0, rank)
    };
    [
        Spec::number(Column::Impact, 12, 3),
        Spec::text(Column::Bar, 5, 25, 8),
        text(Column::Name, 24, 2),
        text(Column::Function, 40, 5),
        text(Column::Caller, 40, 9),
        text(Column::Place, 36, 1),
        Spec::number(Column::Polls, 6, 6),
        Spec::number(Column::Blocked, 8, 4),
        Spec::number(Column::Delayed, 8, 7),
    ]
}

fn title(column: Column) -> &'static str {
    match column {
        Column::Impact => "TASK-SECONDS",
        Column::Bar => "",
        Column::Name => "OFFENDER",
        Column::Function => "FUNCTION",
        Column::Caller => "CALLER",
        Column::Place => "BLOCKED AT",
        Column::Polls => "POLLS",
        Column::Blocked => "BLOCKED",
        Column::Delayed => "DELAYED",
    }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let rows = app.offenders();
    // On a low screen the rows are more useful than their titles.
    let titles = if area.height > TITLES { TITLES } else { 0 };
    let Some(visible) = area.height.checked_sub(titles).filter(|visible| *visible > 0) else {
        return;
    };
    let findings = app.findings().len();
    let selected = app.cursor().row().saturating_sub(findings);
    let first = (selected + 1).saturating_sub(usize::from(visible));
    let places = table::places(&specs(app, &rows), Column::Place, area.width);
    if titles > 0 {
        let heading = "impact of long polls, total of the last minute";
        preview::draw_titled(canvas, area, heading, &[]);
        for place in &places {
            place.put_title(canvas, area.y + 1, title(place.column), None);
        }
    }
    let largest = rows.iter().filter_map(|row| row.offender.impact).map(|it| it.total_ns).max();
    let shown = rows.iter().enumerate().skip(first);
    for ((at, row), y) in shown.zip(area.y + titles..area.bottom()) {
        for place in &places {
            cell(app, canvas, y, place, row, largest.unwrap_or(0));
        }
        table::finish_row(app, canvas, area, findings + at, y);
    }
}

/// The text of a column of text.
fn label<'a>(app: &App, column: Column, row: &OffenderRow<'a>) -> Cow<'a, str> {
    let offender = row.offender;
    match column {
        Column::Name if app.has_several_targets() => {
            format!("{} of {}", offender.name, row.target.name()).into()
        }
        Column::Name => (&*offender.name).into(),
        Column::Function => offender.function.as_deref().unwrap_or("– no stack").into(),
        Column::Caller => offender.evidence.caller().map_or("", |caller| &caller.name).into(),
        Column::Place => file_and_folder(offender.blocked_at.as_deref().unwrap_or_default()).into(),
        _ => "".into(),
    }
}

fn cell(
    app: &App,
    canvas: &mut Canvas<'_>,
    y: u16,
    place: &Place<Column>,
    row: &OffenderRow<'_>,
    largest_ns: u64,
) {
    let (theme, plain) = (canvas.theme, Style::new());
    let offender = row.offender;
    let impact = offender.impact;
    let unavailable = || (UNAVAILABLE.to_owned(), theme.dim());
    let (text, style) = match (place.column, impact) {
        (Column::Impact, Some(impact)) => {
            (theme.task_seconds(impact.accuracy, impact.total_ns), theme.warning())
        }
        (Column::Bar, Some(impact)) => {
            let share = impact.total_ns as f64 / largest_ns.max(1) as f64;
            (bar(theme, share, usize::from(place.width)), theme.warning())
        }
        (Column::Delayed, Some(impact)) => (compact_count(impact.tasks as u64), plain),
        (Column::Bar, None) => (String::new(), plain),
        (Column::Impact | Column::Delayed, None) => unavailable(),
        (Column::Name | Column::Function | Column::Caller | Column::Place, _) => {
            (label(app, place.column, row).into_owned(), plain)
        }
        (Column::Polls, _) => (compact_count(offender.polls), plain),
        (Column::Blocked, _) => (duration(offender.blocked_ns), plain),
    };
    place.put(canvas, y, &text, style, place.column == Column::Place);
}

//! The task table.

use ratatui::{layout::Rect, style::Style};

use super::{
    theme::Look,
    widgets::{
        canvas::Canvas,
        table::{Place, Spec, places, with_mark},
    },
};
use crate::{
    app::App,
    model::{Column, TaskRates, Thresholds},
    snapshot::{FieldId, State, TaskKind, TaskStats},
    text::{UNAVAILABLE, compact_count, duration, percent_number, rate},
};

const fn figure(column: Column, width: u16, rank: u8) -> Spec<Column> {
    Spec { column, width, grow: 0, rank, right: true }
}

const fn words(column: Column, width: u16, grow: u16, rank: u8) -> Spec<Column> {
    Spec { column, width, grow, rank, right: false }
}

const SPECS: [Spec<Column>; 16] = [
    figure(Column::Id, 6, 5),
    words(Column::State, 1, 0, 2),
    words(Column::Name, 12, 6, 1),
    figure(Column::Polls, 7, 4),
    figure(Column::PollRate, 7, 10),
    figure(Column::BusyShare, 6, 3),
    figure(Column::Busy, 7, 8),
    figure(Column::Scheduled, 7, 7),
    figure(Column::Idle, 7, 9),
    figure(Column::MaxPoll, 8, 6),
    figure(Column::MaxDelay, 9, 14),
    figure(Column::Wakes, 7, 13),
    figure(Column::SelfWakes, 10, 15),
    words(Column::Target, 15, 10, 6),
    words(Column::Stage, 16, 12, 12),
    words(Column::Location, 15, 47, 11),
];

/// The columns that say something here.
fn specs(app: &App) -> Vec<Spec<Column>> {
    let specs: Vec<_> = SPECS.into_iter().filter(|spec| app.has_column(spec.column)).collect();
    with_mark(&specs, app.query.sort, app.query.sort.title())
}

/// The column whose title is at `x`.
pub(super) fn column_at(app: &App, width: u16, x: u16) -> Option<Column> {
    let places = places(&specs(app), app.query.sort, width);
    places.into_iter().find(|p| p.x <= x && x <= p.x + p.width).map(|place| place.column)
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let places = places(&specs(app), app.query.sort, area.width);
    for place in &places {
        let sorted = (place.column == app.query.sort).then_some(app.query.descending);
        head(canvas, area.y, place, title(app, canvas.look, place.column), sorted);
    }
    let visible = usize::from(area.height).saturating_sub(1);
    for (row, y) in (app.tasks.top()..app.order().len()).take(visible).zip(area.y + 1..) {
        let Some((model, task, rates)) = app.model().task_of_row(app.order()[row]) else {
            continue;
        };
        let description = &model.target().description;
        for place in &places {
            let (text, style) = match place.column {
                Column::Target => (model.name().to_string(), canvas.look.dim()),
                column if column.field().is_some_and(|field| !description.has(field)) => {
                    (UNAVAILABLE.to_owned(), canvas.look.dim())
                }
                column => cell(canvas.look, column, task, rates, app.model().thresholds()),
            };
            place.put(canvas, y, &text, style, place.column == Column::Location);
        }
        if app.tasks.key() == Some(&model.target().task_key(task.key)) {
            let style = canvas.look.selected();
            canvas.highlight(Rect::new(area.x, y, area.width, 1), style);
        }
    }
    if app.order().is_empty() && visible > 0 {
        let text = match (app.target(), app.filter.is_empty()) {
            (None, _) => "waiting for the first sample",
            (_, true) => "no tasks",
            _ => "no task matches the filter; Esc clears it",
        };
        canvas.put(area.x + 1, area.y + 1, area.width - 1, text, canvas.look.dim());
    }
}

/// The title of a column, which says so where its figures are of less than all.
pub(super) fn title(app: &App, look: Look, column: Column) -> &'static str {
    let snapshot = app.target();
    let is_least =
        |field| snapshot.is_some_and(|target| target.description.accuracy(field).is_lower_bound());
    match column {
        Column::MaxPoll if is_least(FieldId::MaxPoll) => look.glyph("POLL ≥", "POLL >="),
        Column::MaxDelay if is_least(FieldId::MaxDelay) => look.glyph("DELAY ≥", "DELAY >="),
        column => column.title(),
    }
}

/// The title of a column, marked if the table is sorted by it.
pub(super) fn head<C>(
    canvas: &mut Canvas<'_>,
    y: u16,
    place: &Place<C>,
    title: &str,
    sorted: Option<bool>,
) {
    let look = canvas.look;
    let mark = match sorted {
        Some(true) => look.glyph("▼", "v"),
        Some(false) => look.glyph("▲", "^"),
        None => "",
    };
    // There is no room for the mark beside a title of one character.
    let (title, style) = match sorted {
        Some(_) if place.width == 1 => (mark.to_owned(), look.key()),
        Some(_) => (format!("{title}{mark}"), look.key()),
        None => (title.to_owned(), look.title()),
    };
    if place.right {
        canvas.put_right(place.x, y, place.width, &title, style);
    } else {
        canvas.put(place.x, y, place.width, &title, style);
    }
}

/// The text and style of a column other than `Target`.
fn cell(
    look: Look,
    column: Column,
    task: &TaskStats,
    rates: TaskRates,
    thresholds: &Thresholds,
) -> (String, Style) {
    let over = task.state.is_done();
    let plain = if over { look.dim() } else { Style::new() };
    match column {
        Column::Id => (task.meta.id.to_string(), plain),
        Column::State => (look.sign(task.state).to_owned(), look.state(task.state)),
        Column::Name if rates.new => (task.meta.name.to_string(), look.good()),
        Column::Name => (task.meta.name.to_string(), plain),
        Column::Polls => (compact_count(task.polls), plain),
        Column::PollRate | Column::BusyShare if rates.unknown => ("–".to_owned(), look.dim()),
        Column::PollRate => (rate(rates.shown.polls), plain),
        Column::BusyShare if over => (percent_number(0.0), plain),
        Column::BusyShare => (percent_number(rates.shown.busy), look.share(rates.shown.busy)),
        Column::Busy => (duration(task.busy_ns), plain),
        Column::Scheduled if task.state == State::Scheduled => {
            (duration(task.scheduled_ns), look.warning())
        }
        Column::Scheduled => (duration(task.scheduled_ns), plain),
        Column::Idle => (duration(task.idle_ns), plain),
        Column::MaxPoll if task.meta.kind.may_block() => (duration(task.max_poll_ns), plain),
        Column::MaxPoll => {
            (duration(task.max_poll_ns), look.length(thresholds, task.max_poll_ns, plain))
        }
        Column::MaxDelay => (duration(task.max_delay_ns), plain),
        Column::Wakes => (compact_count(task.wakes), plain),
        Column::SelfWakes => (compact_count(task.self_wakes), plain),
        Column::Stage => (doing(task), plain),
        Column::Location => (task.meta.location.to_string(), look.dim()),
        Column::Target => (String::new(), plain),
    }
}

/// What it says that it does, or how it ended.
fn doing(task: &TaskStats) -> String {
    match (task.state.is_done(), task.stage.as_deref()) {
        (true, None) => task.state.as_str().to_owned(),
        (true, Some(stage)) => format!("{}: {stage}", task.state.as_str()),
        (false, Some(stage)) => stage.to_owned(),
        (false, None) => match task.meta.kind {
            TaskKind::Blocking => "on the blocking pool".to_owned(),
            TaskKind::BlockOn => "in block_on".to_owned(),
            TaskKind::Spawned | TaskKind::Unknown => String::new(),
        },
    }
}

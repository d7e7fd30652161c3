//! The task table.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{layout::Rect, style::Style};

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        canvas::{Canvas, Spans},
        table::{self, Spec},
        title,
    },
};
use crate::{
    app::{
        Action, App, HitTarget, List, Opened, Overlay, RowKey, ScreenId, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{Column, Query, RowQuery, TaskRates, Thresholds},
    snapshot::{FieldId, State, Target, TaskKind, TaskStats},
    text::{UNAVAILABLE, compact_count, duration, percent_number, rate},
};

pub(super) const ID: ScreenId = ScreenId("tasks");

pub(super) const SCREEN: ScreenEntry = ScreenEntry {
    spec: ScreenSpec {
        id: ID,
        binding: Binding {
            keys: &[(KeyModifiers::NONE, KeyCode::Char('1'))],
            label: "1",
            action: Action::Show(ID),
            short: "Tasks",
            help: "tasks, one per row",
        },
        list: List::Tasks,
        needs: None,
        keys: &[],
        subscribe: |_| {},
        open,
    },
    title,
    viewport: |_, size| Viewport::below_titles(size.height),
    draw,
};

const SPECS: [Spec<Column>; 16] = [
    Spec::number(Column::Id, 6, 5),
    Spec::text(Column::State, 1, 0, 2),
    Spec::text(Column::Name, 12, 6, 1),
    Spec::number(Column::Polls, 7, 4),
    Spec::number(Column::PollRate, 7, 10),
    Spec::number(Column::BusyShare, 6, 3),
    Spec::number(Column::Busy, 7, 8),
    Spec::number(Column::Scheduled, 7, 7),
    Spec::number(Column::Idle, 7, 9),
    Spec::number(Column::MaxPoll, 8, 6),
    Spec::number(Column::MaxDelay, 9, 14),
    Spec::number(Column::Wakes, 7, 13),
    Spec::number(Column::SelfWakes, 10, 15),
    Spec::text(Column::Target, 15, 10, 6),
    Spec::text(Column::Stage, 16, 12, 12),
    Spec::text(Column::Location, 15, 47, 11),
];

/// The selected task. With none selected, the worst finding, unless the user is looking for
/// something else with a filter; without a finding, the first visible task.
fn open(app: &App) -> Option<Opened> {
    if let Some(key) = app.selected_task() {
        return Some(Opened::Overlay(Overlay::Task(key)));
    }
    let worst = app.model().findings().first().filter(|_| app.filter.is_empty());
    if let Some(worst) = worst {
        return Some(Opened::Overlay(Overlay::Finding(worst.id())));
    }
    let first = Some(app.cursor().top()).filter(|row| *row < app.row_count())?;
    match app.row_key(first) {
        RowKey::Task(key) => Some(Opened::Overlay(Overlay::Task(key))),
        _ => None,
    }
}

fn query(app: &App) -> Option<&Query> {
    if let RowQuery::Tasks(query) = app.row_query() { Some(query) } else { None }
}

fn title(app: &App, theme: Theme) -> Spans {
    let mut spans = vec![(format!(" Tasks {}", count(app)), theme.title())];
    if let Some(group) = app.group() {
        spans.push((format!("  in group {}", group.name), theme.title()));
    }
    let sorted = query(app).map(|query| (query.sort.title(), query.descending));
    spans.extend(sorted.map(|(column, descending)| title::sorted_by(theme, column, descending)));
    spans
}

/// The number of tasks of all targets: those that are shown, those that are alive, and those of them
/// that are not measured.
fn count(app: &App) -> String {
    let targets = || app.model().targets().iter().map(|model| &**model.target());
    if targets().next().is_none() {
        return "–".into();
    }
    let measured: u64 = targets().map(|target| target.runtime.measured_tasks).sum();
    let alive = |target: &Target| {
        target.description.get(FieldId::AliveTasks, target.runtime.alive_tasks).ok()
    };
    let alive = match targets().map(alive).sum::<Option<u64>>() {
        // Tasks start and end between the two counts: a small difference is not one of measuring.
        Some(alive) if alive > measured + 2 => {
            format!("{measured}/{alive} ({} not measured)", alive - measured)
        }
        _ => measured.to_string(),
    };
    let is_limited = |query: &Query| !query.filter.is_empty() || query.group.is_some();
    match query(app).is_some_and(is_limited) {
        true => format!("{} of {alive}", app.row_count()),
        false => alive,
    }
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(Query { sort, descending, .. }) = query(app) else { return };
    let specs = SPECS.into_iter().filter(|spec| app.has_column(spec.column)).collect::<Vec<_>>();
    let specs = table::with_mark(&specs, *sort, sort.title());
    let places = table::places(&specs, *sort, area.width);
    for place in &places {
        let sorted = (place.column == *sort).then_some(*descending);
        let title = column_title(app, canvas.theme, place.column);
        place.put_title(canvas, area.y, title, sorted);
        canvas.on_click(place.title_area(area.y), HitTarget::Column(place.column));
    }
    for (row, y) in table::visible_rows(app, area) {
        let Some((model, task, rates)) = app.model().task_of_row(app.task_rows()[row]) else {
            continue;
        };
        let description = &model.target().description;
        for place in &places {
            let (text, style) = match place.column {
                Column::Target => (model.name().to_string(), canvas.theme.dim()),
                column if column.field().is_some_and(|field| !description.has(field)) => {
                    (UNAVAILABLE.to_owned(), canvas.theme.dim())
                }
                column => cell(canvas.theme, column, task, rates, app.model().thresholds()),
            };
            place.put(canvas, y, &text, style, place.column == Column::Location);
        }
        table::finish_row(app, canvas, area, row, y);
    }
    if app.row_count() == 0 && area.height > 1 {
        let text = match (app.target(), app.filter.is_empty()) {
            (None, _) => "waiting for the first sample",
            (_, true) => "no tasks",
            _ => "no task matches the filter; Esc clears it",
        };
        canvas.put(area.x + 1, area.y + 1, area.width - 1, text, canvas.theme.dim());
    }
}

/// The title of a column. It marks values that are lower bounds.
pub(super) fn column_title(app: &App, theme: Theme, column: Column) -> &'static str {
    let is_lower_bound = |field| {
        app.target().is_some_and(|target| target.description.accuracy(field).is_lower_bound())
    };
    match column {
        Column::MaxPoll if is_lower_bound(FieldId::MaxPoll) => theme.glyph("POLL ≥", "POLL >="),
        Column::MaxDelay if is_lower_bound(FieldId::MaxDelay) => theme.glyph("DELAY ≥", "DELAY >="),
        column => column.title(),
    }
}

/// The text and style of a column other than `Target`.
fn cell(
    theme: Theme,
    column: Column,
    task: &TaskStats,
    rates: TaskRates,
    thresholds: &Thresholds,
) -> (String, Style) {
    let has_ended = task.state.is_done();
    let plain = if has_ended { theme.dim() } else { Style::new() };
    match column {
        Column::Id => (task.meta.id.to_string(), plain),
        Column::State => (theme.state_glyph(task.state).to_owned(), theme.state(task.state)),
        Column::Name if rates.new => (task.meta.name.to_string(), theme.good()),
        Column::Name => (task.meta.name.to_string(), plain),
        Column::Polls => (compact_count(task.polls), plain),
        Column::PollRate | Column::BusyShare if rates.unknown => {
            (UNAVAILABLE.to_owned(), theme.dim())
        }
        Column::PollRate => (rate(rates.shown.polls), plain),
        Column::BusyShare if has_ended => (percent_number(0.0), plain),
        Column::BusyShare => (percent_number(rates.shown.busy), theme.share(rates.shown.busy)),
        Column::Busy => (duration(task.busy_ns), plain),
        Column::Scheduled if task.state == State::Scheduled => {
            (duration(task.scheduled_ns), theme.warning())
        }
        Column::Scheduled => (duration(task.scheduled_ns), plain),
        Column::Idle => (duration(task.idle_ns), plain),
        Column::MaxPoll if task.meta.kind.may_block() => (duration(task.max_poll_ns), plain),
        Column::MaxPoll => {
            (duration(task.max_poll_ns), theme.length(thresholds, task.max_poll_ns, plain))
        }
        Column::MaxDelay => (duration(task.max_delay_ns), plain),
        Column::Wakes => (compact_count(task.wakes), plain),
        Column::SelfWakes => (compact_count(task.self_wakes), plain),
        Column::Stage => (stage(task), plain),
        Column::Location => (task.meta.location.to_string(), theme.dim()),
        Column::Target => (String::new(), plain),
    }
}

/// The stage of a task, and how it ended.
fn stage(task: &TaskStats) -> String {
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

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
        Action, App, HitTarget, List, Opened, Overlay, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{Column, Emphasis, FieldKind, Query, RowQuery, TASK_FIELDS, TaskCell, TaskField},
    snapshot::{FieldId, Target, TaskStats},
    text::UNAVAILABLE,
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
        keys: &[ScreenKey::new(Action::Open, Action::Open).in_footer("open", 5)],
        subscribe: |_| {},
        open: |app| {
            app.selected_task()
                .map(|key| Opened::Overlay(Overlay::Task(key)))
                .ok_or("no task to open")
        },
    },
    title,
    viewport: |_, size| Viewport::below_titles(size.height),
    draw,
};

fn query(app: &App) -> Option<&Query> {
    if let RowQuery::Tasks(query) = app.row_query() { Some(query) } else { None }
}

fn title(app: &App, theme: Theme) -> Spans {
    let mut spans = vec![(format!(" Tasks {}", count(app)), theme.title())];
    if let Some(group) = app.group() {
        spans.push((format!("  in group {}", group.name), theme.title()));
    }
    let sorted = query(app).map(|query| (query.sort.entry().title, query.descending));
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
    let fields = TASK_FIELDS.iter().filter(|field| app.has_column(field.column));
    let specs = table::with_mark(&fields.map(spec).collect::<Vec<_>>(), *sort, sort.entry().title);
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
            let entry = place.column.entry();
            let (text, style) = match entry.field.is_none_or(|field| description.has(field)) {
                true => cell(app, canvas.theme, task, entry.cell(model, task, &rates)),
                false => (UNAVAILABLE.to_owned(), canvas.theme.dim()),
            };
            place.put(canvas, y, &text, style, entry.kind == FieldKind::Path);
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

/// The space that a column needs.
fn spec(field: &TaskField) -> Spec<Column> {
    let right = matches!(field.kind, FieldKind::Statistic | FieldKind::Number);
    Spec { column: field.column, width: field.width, grow: field.grow, rank: field.rank, right }
}

/// The title of a column. It marks values that are lower bounds.
pub(super) fn column_title(app: &App, theme: Theme, column: Column) -> &'static str {
    let is_lower_bound = |field| {
        app.target().is_some_and(|target| target.description.accuracy(field).is_lower_bound())
    };
    match column {
        Column::MaxPoll if is_lower_bound(FieldId::MaxPoll) => theme.glyph("POLL ≥", "POLL >="),
        Column::MaxDelay if is_lower_bound(FieldId::MaxDelay) => theme.glyph("DELAY ≥", "DELAY >="),
        column => column.entry().title,
    }
}

/// The text and style of a cell.
fn cell(app: &App, theme: Theme, task: &TaskStats, cell: TaskCell) -> (String, Style) {
    let plain = if task.state.is_done() { theme.dim() } else { Style::new() };
    let style = match cell.emphasis {
        Emphasis::Plain => plain,
        Emphasis::Dim => theme.dim(),
        Emphasis::New => theme.good(),
        Emphasis::Warning => theme.warning(),
        Emphasis::Share(share) => theme.share(share),
        Emphasis::Length(length_ns) => theme.length(app.model().thresholds(), length_ns, plain),
        Emphasis::State(state) => return (theme.state_glyph(state).to_owned(), theme.state(state)),
        Emphasis::Unknown => return (UNAVAILABLE.to_owned(), theme.dim()),
    };
    (cell.text, style)
}

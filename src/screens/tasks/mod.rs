//! The task table, and a few lines about the selected task.

mod task_preview;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{
    layout::{Rect, Size},
    style::Style,
};

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        bars::level,
        canvas::{Canvas, Spans},
        preview,
        table::{self, Fields},
        title,
    },
};
use crate::{
    app::{
        Action, App, List, Opened, Overlay, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{Field, HistoryCell, Query, RowQuery, TaskHistory, TaskRow},
    snapshot::{FieldId, Target},
    text,
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
    viewport: |_, size| Viewport::below_titles(size.height - preview_height(size)),
    draw,
};

/// The lines about the selected task below the table, if there is space.
fn preview_height(size: Size) -> u16 {
    if size.height < 20 { 0 } else { task_preview::HEIGHT }
}

fn query(app: &App) -> Option<&Query> {
    if let RowQuery::Tasks(query) = app.row_query() { Some(query) } else { None }
}

fn title(app: &App, theme: Theme) -> Spans {
    let mut spans = vec![(format!(" Tasks {}", count(app)), theme.title())];
    spans.extend(title::pin(app, theme));
    spans.extend(title::order::<TaskRow>(app, theme));
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
            format!(
                "{}/{} ({} not measured)",
                text::count(measured),
                text::count(alive),
                text::count(alive - measured)
            )
        }
        _ => text::count(measured),
    };
    let is_limited = |query: &Query| !query.filter.is_empty() || query.scope.is_some();
    match query(app).is_some_and(is_limited) {
        true => {
            let listed: usize = targets().map(|target| target.tasks.len()).sum();
            format!("{} of {}", text::count(app.row_count() as u64), text::count(listed as u64))
        }
        false => alive,
    }
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    let [area, below] = preview::split(area, preview_height(area.as_size()));
    if let Some(task) = app.selected_row().and_then(|row| app.task_rows().get(row)) {
        task_preview::draw(app, canvas, below, *task);
    }
    let title = |field: &Field<TaskRow>| table::title_of(app, theme, field);
    let table = Fields::<TaskRow>::draw_titles(app, canvas, area, |_| false, title);
    for (row, y) in table::visible_rows(app, area) {
        let at = app.task_rows()[row];
        let Some((target, task, rates)) = app.model().task_of_row(at) else { continue };
        let plain = if task.state.is_done() { theme.dim() } else { Style::new() };
        table.draw_row(app, canvas, y, (target, &at), plain, |_, width| {
            task_history(theme, rates.history, width)
        });
        table::finish_row(app, canvas, area, row, y);
    }
    if app.row_count() == 0 && area.height > 1 {
        let text = match (app.target(), app.pin()) {
            (None, _) => "waiting for the first sample".to_owned(),
            (_, Some(pin)) => format!("no listed task of {} matches; Esc shows all", pin.name()),
            _ if app.filter.is_empty() => "no tasks".to_owned(),
            _ => app.no_match("task"),
        };
        table::put_empty(canvas, area, &text);
    }
}

/// The history of a task: blocks as high as its busy share, shaded where it was scheduled.
pub(super) fn task_history(theme: Theme, history: TaskHistory, width: usize) -> Spans {
    let cells = history.cells().collect::<Vec<_>>();
    let shown = &cells[cells.len().saturating_sub(width)..];
    let blank = " ".repeat(width - shown.len());
    let mut spans = vec![(blank, Style::new())];
    spans.extend(shown.iter().map(|cell| match cell {
        HistoryCell::Unknown => (" ".to_owned(), Style::new()),
        HistoryCell::Busy(eighths) => (level(theme, (*eighths).max(1)).to_string(), theme.busy()),
        HistoryCell::Scheduled => (theme.glyph("░", "s").to_owned(), theme.warning()),
    }));
    spans
}

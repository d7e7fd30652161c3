//! The workers, each with its busy share over time, and the statistics of the runtime as a whole. Many
//! workers have one line each.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{
    layout::{Rect, Size},
    style::Style,
};
use unicode_width::UnicodeWidthStr;

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        bars::{bar, history},
        canvas::{Canvas, Spans},
        chart::{self, AXIS},
        history_graph::SHARE_LABELS,
        table::{self, Fields},
        title,
    },
};
use crate::{
    app::{
        Action, App, GraphWindow, List, Opened, Overlay, ScreenId, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{BusyPoint, Field, HistoryPoint, TargetModel, WorkerRow},
    snapshot::{FieldId, RuntimeStats},
    text::{UNAVAILABLE, compact_count, optional, plural, rate},
};

pub(super) const ID: ScreenId = ScreenId("workers");

pub(super) const SCREEN: ScreenEntry = ScreenEntry {
    spec: ScreenSpec {
        id: ID,
        binding: Binding {
            keys: &[(KeyModifiers::NONE, KeyCode::Char('3'))],
            label: "3",
            action: Action::Show(ID),
            short: "Workers",
            help: "workers of the runtime, with the task that each is polling",
        },
        list: List::Workers,
        needs: Some(FieldId::Workers),
        keys: &[],
        subscribe: |_| {},
        open: |app| {
            let worker = app.selected_worker().and_then(|at| app.worker_rows().get(at));
            let poll = worker.and_then(|worker| worker.stats.current.as_ref());
            match (poll, app.target()) {
                (Some(poll), Some(target)) => {
                    Ok(Opened::Overlay(Overlay::Task(target.task_key(poll.key))))
                }
                (None, Some(target)) if target.description.has(FieldId::Timeline) => {
                    Ok(Opened::List(List::Tracks))
                }
                _ => Err("this worker polls no task now"),
            }
        },
    },
    title,
    viewport,
    draw,
};

fn title(app: &App, theme: Theme) -> Spans {
    // Every runtime has a worker: without rows, the number is unknown.
    let workers = Some(app.row_count()).filter(|count| *count > 0);
    let mut spans =
        vec![(format!(" Workers {}", optional(workers, |count| count.to_string())), theme.title())];
    spans.extend(title::target(app, theme));
    if app.worker_order().is_sorted() {
        return spans;
    }
    spans.push(("  busiest first".to_owned(), theme.dim()));
    spans
}

/// The lines about the runtime below the workers.
const RUNTIME: u16 = 3;
/// The maximum height of the graph of a worker.
const MAX_GRAPH: u16 = 20;
/// A lower graph shows less than the blocks in a line.
const MIN_GRAPH: u16 = 2;

/// The lines of a graph below each worker; 0 for one line per worker.
fn graph_height(app: &App, height: u16) -> u16 {
    let workers = u16::try_from(app.row_count().max(1)).unwrap_or(u16::MAX);
    let has_busy = app.worker_rows().iter().any(|worker| worker.busy.is_some());
    let lines = height.saturating_sub(1 + RUNTIME) / workers;
    match lines.saturating_sub(1).min(MAX_GRAPH) {
        lines if lines >= MIN_GRAPH && has_busy => lines,
        _ => 0,
    }
}

fn viewport(app: &App, size: Size) -> Viewport {
    // Many workers take the whole height but for one line, with the number of those not visible.
    let lines = 1 + graph_height(app, size.height);
    Viewport::with_rows(usize::from(size.height.saturating_sub(1 + RUNTIME) / lines))
}

/// Where the histories have lines of their own, they are no column. Threads that all have the same name
/// need none.
pub(super) fn is_hidden(app: &App, height: u16, field: &Field<WorkerRow>) -> bool {
    let mut workers = app.worker_rows().windows(2);
    match field.name {
        "history" => graph_height(app, height) > 0,
        "thread" => {
            app.worker_rows().len() > 1
                && workers.all(|pair| pair[0].stats.thread == pair[1].stats.thread)
        }
        _ => false,
    }
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(model) = app.selected() else { return };
    let target = model.target();
    let theme = canvas.theme;
    if app.worker_rows().is_empty() {
        let reason = target.description.reason(FieldId::Workers).unwrap_or("none sampled yet");
        let text = format!("–  workers: {reason}");
        canvas.put(area.x + 1, area.y, area.width - 1, &text, theme.dim());
        return draw_runtime(app, model, canvas, area, area.y + 2);
    }
    let lines = graph_height(app, area.height);
    let span = app.graph_span_text(model);
    let title = |field: &Field<WorkerRow>| match field.name {
        "history" | "queue_history" => format!("{}, {span}", field.title),
        _ => field.title.to_owned(),
    };
    let is_hidden = |field: &Field<WorkerRow>| is_hidden(app, area.height, field);
    let table = Fields::<WorkerRow>::draw_titles(app, canvas, area, is_hidden, title);
    let window = app.graph_window(model);
    let rows = usize::from(area.height.saturating_sub(1 + RUNTIME) / (1 + lines));
    let visible = (app.cursor().top()..app.row_count()).take(rows.max(1));
    let points = |worker: &WorkerRow, of: fn(BusyPoint) -> Option<f64>, count| -> Vec<_> {
        let points = worker.history.columns(window.end_ns, window.span_ns, count);
        points.into_iter().map(|point| of(point?)).collect()
    };
    let queued = |point: BusyPoint| point.queued.map(|tasks| tasks as f64);
    // Queues are shown in proportion to the longest one of all workers.
    let all = app.worker_rows().iter();
    let longest = all.filter_map(|worker| points(worker, queued, 1)[0]).fold(1.0, f64::max);
    let mut y = area.y + 1;
    for row in visible {
        let worker = &app.worker_rows()[app.worker_order()[row]];
        let columns = |count| points(worker, |point| Some(point.busy), count);
        table.draw_row(app, canvas, y, (model, worker), Style::new(), |field, width| {
            let text = match (field.name, worker.shown_busy) {
                ("history", _) => history(theme, &columns(width)),
                ("queue_history", _) => {
                    let tasks = points(worker, queued, width);
                    let shares = tasks.into_iter().map(|tasks| Some(tasks? / longest));
                    history(theme, &shares.collect::<Vec<_>>())
                }
                (_, Some(busy)) => bar(theme, busy, width),
                (_, None) => UNAVAILABLE.to_owned(),
            };
            vec![(text, theme.busy())]
        });
        table::finish_row(app, canvas, area, row, y);
        y += 1;
        if lines > 0 {
            let chart = Rect { y, height: lines.min(area.bottom().saturating_sub(y)), ..area };
            chart::draw(app, canvas, chart, SHARE_LABELS, columns);
            y += lines;
        }
    }
    let hidden = app.row_count().saturating_sub(app.cursor().top() + rows);
    if hidden > 0 {
        let below = plural(hidden as u64, "more worker");
        canvas.put(area.x + 1, y, area.width - 1, &below, theme.dim());
    } else if lines > 0 {
        draw_axis(canvas, Rect { y, height: 1, ..area }, target.known_until_ns, window);
    }
    draw_runtime(app, model, canvas, area, (y + 1).min(area.bottom().saturating_sub(RUNTIME - 1)));
}

/// Draws the time axis of the graphs: quarters of the span.
fn draw_axis(canvas: &mut Canvas<'_>, area: Rect, now_ns: u64, window: GraphWindow) {
    let theme = canvas.theme;
    let width = area.width.saturating_sub(AXIS + 1);
    let label = |quarters: u64| match now_ns.saturating_sub(window.end_ns)
        + window.span_ns / 4 * quarters
    {
        0 => "now".to_owned(),
        back => format!("-{}s", back.div_ceil(1_000_000_000)),
    };
    for quarters in (1..=4_u16).rev() {
        let x = area.x + AXIS + width / 4 * (4 - quarters);
        let text = format!("{}{}", theme.glyph("│", "|"), label(quarters.into()));
        canvas.put(x, area.y, area.right() - x, &text, theme.dim());
    }
    canvas.put_right(area.x, area.y, area.width - 1, &label(0), theme.dim());
}

/// The minimum and the maximum width of the history of a queue.
const MIN_HISTORY: usize = 8;
const MAX_HISTORY: usize = 30;

/// Draws the statistics of the runtime from the line `top` on.
fn draw_runtime(app: &App, model: &TargetModel, canvas: &mut Canvas<'_>, area: Rect, top: u16) {
    let lines = runtime(app, model, canvas.theme, usize::from(area.width));
    for (line, y) in lines.iter().zip(top..area.bottom()) {
        canvas.line(area.x, y, area.right(), line);
    }
}

/// A number of a point of the history.
type OfPoint = fn(&HistoryPoint) -> Option<u64>;

/// A number over time, in blocks as high as its share of the largest one; blank if it is unknown.
fn queue_history(
    app: &App,
    model: &TargetModel,
    theme: Theme,
    width: usize,
    of: OfPoint,
) -> (String, Style) {
    let GraphWindow { end_ns, span_ns } = app.graph_window(model);
    let points = model.history().points().columns(end_ns, span_ns, width);
    let values: Vec<_> = points.iter().map(|point| of(point.as_ref()?)).collect();
    let largest = values.iter().flatten().copied().max();
    let share = |value: u64| value as f64 / largest.unwrap_or(1).max(1) as f64;
    let shares: Vec<_> = values.iter().map(|value| value.map(share)).collect();
    // A history that is not known takes its width too, so that the texts behind it are aligned.
    let text = largest.map_or_else(|| " ".repeat(width), |_| history(theme, &shares));
    (text, theme.busy())
}

/// The statistics of the runtime as a whole, and the reasons for missing values.
fn runtime(app: &App, model: &TargetModel, theme: Theme, width: usize) -> Vec<Spans> {
    let target = model.target();
    let description = &target.description;
    let count = |field, value| optional(description.get(field, value).ok(), compact_count);
    let per_second = |field, value: fn(&RuntimeStats) -> u64| {
        let known = model.runtime_rate(value).filter(|_| description.has(field));
        optional(known, |value| format!("{}/s", rate(value)))
    };
    let runtime = &target.runtime;
    let pool = format!(
        "pool: threads {}, idle {}, queued {}",
        count(FieldId::BlockingThreads, runtime.blocking_threads),
        count(FieldId::IdleBlockingThreads, runtime.idle_blocking_threads),
        count(FieldId::BlockingQueue, runtime.blocking_queue),
    );
    let long_pool = format!("blocking {pool}");
    let queues = [
        format!("injection queue {}", count(FieldId::InjectionQueue, runtime.injection_queue)),
        if long_pool.width() < width { long_pool } else { pool },
    ];
    let rates = [
        format!(
            "   remote schedules {}",
            per_second(FieldId::RemoteSchedules, |runtime| runtime.remote_schedules)
        ),
        format!(
            "   forced yields {}",
            per_second(FieldId::BudgetForcedYields, |runtime| runtime.budget_forced_yields)
        ),
    ];
    let dim = theme.dim();
    let widest = |texts: &[String]| texts.iter().map(|text| text.width()).max().unwrap_or(0);
    let label = widest(&queues);
    let free = width.saturating_sub(label + widest(&rates) + 3).min(MAX_HISTORY);
    let of: [OfPoint; 2] = [|point| point.injected, |point| point.blocking_calls];
    let line = |((queue, rate), of): ((String, String), OfPoint)| {
        let mut line: Spans = vec![(format!(" {queue}"), dim)];
        line.extend((queue.width() + rate.width() < width).then_some((rate, dim)));
        if free >= MIN_HISTORY {
            let gap = " ".repeat(label + 1 - queue.width());
            line.splice(1..1, [(gap, dim), queue_history(app, model, theme, free, of)]);
        }
        line
    };
    let mut lines: Vec<Spans> = queues.into_iter().zip(rates).zip(of).map(line).collect();
    let fields = [
        FieldId::WorkerThread,
        FieldId::Parks,
        FieldId::Steals,
        FieldId::Overflows,
        FieldId::LocalQueue,
        FieldId::InjectionQueue,
        FieldId::BlockingThreads,
        FieldId::RemoteSchedules,
    ];
    let mut reasons: Vec<&str> = Vec::new();
    let of_fields = fields.into_iter().filter_map(|field| description.reason(field));
    let lacks_thread = target.workers.iter().any(|worker| worker.thread.is_none());
    let no_thread = lacks_thread.then(|| description.missing_reason(FieldId::WorkerThread));
    let busy = WorkerRow::busy_unavailable(description);
    for reason in busy.into_iter().chain(of_fields).chain(no_thread) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    lines.extend(reasons.into_iter().map(|reason| vec![(format!(" –  {reason}"), dim)]));
    lines
}

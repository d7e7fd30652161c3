//! The worker table, and the statistics that only the runtime as a whole has.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{layout::Rect, style::Style};

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        bars::{bar, history},
        canvas::{Canvas, Spans},
        table::{self, Place, Spec},
    },
};
use crate::{
    app::{
        Action, App, List, Opened, Overlay, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{Thresholds, WorkerRow},
    snapshot::{Accuracy, Description, FieldId, PollKind, Target},
    text::{UNAVAILABLE, compact_count, duration, optional, percent_number, rate},
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
        keys: &[ScreenKey::new(Action::Open, Action::Open).in_footer("open", 5)],
        subscribe: |_| {},
        open: |app| {
            let worker = app.selected_worker().and_then(|at| app.worker_rows().get(at));
            let poll = worker.and_then(|worker| worker.stats.current.as_ref());
            let (poll, target) = poll.zip(app.target()).ok_or("this worker polls no task now")?;
            Ok(Opened::Overlay(Overlay::Task(target.task_key(poll.key))))
        },
    },
    title,
    viewport: |_, size| Viewport::below_titles(size.height),
    draw,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Worker,
    Bar,
    BusyShare,
    Polling,
    Queue,
    Polls,
    Parks,
    Steals,
    Overflows,
    Thread,
    History,
}

const SPECS: [Spec<Column>; 11] = [
    Spec::text(Column::Worker, 4, 0, 1),
    Spec::text(Column::Bar, 10, 0, 2),
    Spec::number(Column::BusyShare, 5, 1),
    Spec::text(Column::Polling, 16, 14, 3),
    Spec::number(Column::Queue, 5, 4),
    Spec::number(Column::Polls, 7, 5),
    Spec::number(Column::Parks, 7, 7),
    Spec::number(Column::Steals, 8, 8),
    Spec::number(Column::Overflows, 9, 9),
    Spec::text(Column::Thread, 15, 0, 10),
    Spec::text(Column::History, 8, WorkerRow::HISTORY as u16, 6),
];

fn column_title(column: Column) -> &'static str {
    match column {
        Column::Worker => "W",
        Column::Bar => "BUSY",
        Column::BusyShare => "%",
        Column::Polling => "POLLING",
        Column::Queue => "QUEUE",
        Column::Polls => "POLLS/S",
        Column::Parks => "PARKS/S",
        Column::Steals => "STEALS/S",
        Column::Overflows => "OVERFLOWS",
        Column::Thread => "THREAD",
        Column::History => "HISTORY",
    }
}

fn title(app: &App, theme: Theme) -> Spans {
    // Every runtime has a worker: without rows, the number is unknown.
    let workers = Some(app.row_count()).filter(|count| *count > 0);
    vec![(format!(" Workers {}", optional(workers, |count| count.to_string())), theme.title())]
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(target) = app.target() else { return };
    if app.worker_rows().is_empty() {
        let reason = target.description.reason(FieldId::Workers).unwrap_or("none sampled yet");
        let text = format!("–  workers: {reason}");
        canvas.put(area.x + 1, area.y, area.width - 1, &text, canvas.theme.dim());
        return draw_runtime(target, canvas, area, area.y + 2);
    }
    let places = table::places(&SPECS, Column::Worker, area.width);
    for place in &places {
        place.put_title(canvas, area.y, column_title(place.column), None);
    }
    let thresholds = app.model().thresholds();
    let mut bottom = area.y + 1;
    for (row, y) in table::visible_rows(app, area) {
        for place in &places {
            cell(canvas, y, place, &app.worker_rows()[row], thresholds, &target.description);
        }
        table::finish_row(app, canvas, area, row, y);
        bottom = y + 1;
    }
    draw_runtime(target, canvas, area, bottom + 1);
}

/// Draws the statistics of the runtime from the line `top` on.
fn draw_runtime(target: &Target, canvas: &mut Canvas<'_>, area: Rect, top: u16) {
    for (line, y) in runtime(target).iter().zip(top..area.bottom()) {
        let spans: Spans = vec![(format!(" {line}"), canvas.theme.dim())];
        canvas.line(area.x, y, area.right(), &spans);
    }
}

fn cell(
    canvas: &mut Canvas<'_>,
    y: u16,
    place: &Place<Column>,
    worker: &WorkerRow,
    thresholds: &Thresholds,
    description: &Description,
) {
    let theme = canvas.theme;
    let stats = &worker.stats;
    let count = |field, value| optional(description.get(field, value).ok(), compact_count);
    let per_second = |field, value| optional(description.get(field, value).ok(), rate);
    let plain = Style::new();
    let width = usize::from(place.width);
    let (text, style) = match place.column {
        Column::Worker => (format!("w{}", stats.index), theme.title()),
        Column::Bar => {
            let bar = worker.busy.map(|busy| bar(theme, busy, width));
            (bar.unwrap_or_default(), theme.busy())
        }
        Column::BusyShare => {
            let style = worker.busy.map_or(plain, |busy| theme.share(busy));
            (optional(worker.busy, percent_number), style)
        }
        Column::Polling => match &worker.current {
            Some((name, nanos)) if *nanos >= thresholds.long_poll_ns() => {
                let verb = if worker.current_kind() == PollKind::Drop { "dropping " } else { "" };
                (
                    format!("{verb}{name} for {}", duration(*nanos)),
                    theme.length(thresholds, *nanos, plain),
                )
            }
            Some((name, _)) => (name.to_string(), plain),
            None if *description.accuracy(FieldId::CurrentPoll) == Accuracy::Exact => {
                ("nothing".to_owned(), theme.dim())
            }
            None => (UNAVAILABLE.to_owned(), theme.dim()),
        },
        Column::Queue => (count(FieldId::LocalQueue, stats.local_queue), plain),
        Column::Polls => (per_second(FieldId::WorkerPolls, worker.polls), plain),
        Column::Parks => (per_second(FieldId::Parks, worker.parks), plain),
        Column::Steals => (per_second(FieldId::Steals, worker.steals), plain),
        Column::Overflows => (count(FieldId::Overflows, stats.overflows), plain),
        Column::Thread => (stats.thread.to_string(), theme.dim()),
        Column::History => (history(theme, &worker.history, width), theme.busy()),
    };
    place.put(canvas, y, &text, style, false);
}

/// The statistics of the runtime as a whole, and the reasons for missing values.
fn runtime(target: &Target) -> Vec<String> {
    let description = &target.description;
    let count = |field, value| optional(description.get(field, value).ok(), compact_count);
    let runtime = &target.runtime;
    let mut lines = vec![
        format!(
            "injection queue {}   remote schedules {}   budget forced yields {}",
            count(FieldId::InjectionQueue, runtime.injection_queue),
            count(FieldId::RemoteSchedules, runtime.remote_schedules),
            count(FieldId::BudgetForcedYields, runtime.budget_forced_yields),
        ),
        format!(
            "blocking pool: threads {}, idle {}, queued {}",
            count(FieldId::BlockingThreads, runtime.blocking_threads),
            count(FieldId::IdleBlockingThreads, runtime.idle_blocking_threads),
            count(FieldId::BlockingQueue, runtime.blocking_queue),
        ),
    ];
    let fields = [
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
    for reason in WorkerRow::busy_unavailable(description).into_iter().chain(of_fields) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    lines.extend(reasons.into_iter().map(|reason| format!("–  {reason}")));
    lines
}

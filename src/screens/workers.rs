//! The workers, one a row: how busy each is and has been, what it polls right now, its
//! queue. Below, what only the runtime as a whole has.

use ratatui::{layout::Rect, style::Style};

use super::{
    tasks::head,
    widgets::{
        bars::{bar, history},
        canvas::{Canvas, Pieces},
        table::{Place, Spec, places},
    },
};
use crate::{
    app::App,
    model::{Thresholds, WorkerRow},
    snapshot::{Description, FieldId, PollKind, Target},
    text::{compact_count, duration, optional, percent_number, rate},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Worker,
    Busy,
    Share,
    Past,
    Queue,
    Polls,
    Parks,
    Steals,
    Overflows,
    Now,
    Thread,
}

const fn figure(column: Part, width: u16, rank: u8) -> Spec<Part> {
    Spec { column, width, grow: 0, rank, right: true }
}

const fn words(column: Part, width: u16, grow: u16, rank: u8) -> Spec<Part> {
    Spec { column, width, grow, rank, right: false }
}

const SPECS: [Spec<Part>; 11] = [
    words(Part::Worker, 4, 0, 1),
    words(Part::Busy, 10, 0, 2),
    figure(Part::Share, 5, 1),
    words(Part::Now, 16, 14, 3),
    figure(Part::Queue, 5, 4),
    figure(Part::Polls, 7, 5),
    figure(Part::Parks, 7, 7),
    figure(Part::Steals, 8, 8),
    figure(Part::Overflows, 9, 9),
    words(Part::Thread, 15, 0, 10),
    words(Part::Past, 8, WorkerRow::HISTORY as u16, 6),
];

fn title(part: Part) -> &'static str {
    match part {
        Part::Worker => "W",
        Part::Busy => "BUSY",
        Part::Share => "%",
        Part::Now => "POLLING",
        Part::Queue => "QUEUE",
        Part::Polls => "POLLS/S",
        Part::Parks => "PARKS/S",
        Part::Steals => "STEALS/S",
        Part::Overflows => "OVERFLOWS",
        Part::Thread => "THREAD",
        Part::Past => "HISTORY",
    }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let workers = app.worker_rows();
    let Some(snapshot) = app.target() else { return };
    if workers.is_empty() {
        let reason = snapshot.description.reason(FieldId::Workers).unwrap_or("none sampled yet");
        let text = format!("–  workers: {reason}");
        canvas.put(area.x + 1, area.y, area.width - 1, &text, canvas.look.dim());
        return figures_of_runtime(snapshot, canvas, area, area.y + 2);
    }
    let places = places(&SPECS, Part::Worker, area.width);
    for place in &places {
        head(canvas, area.y, place, title(place.column), None);
    }
    let visible = usize::from(area.height).saturating_sub(1);
    let rows = workers.iter().skip(app.workers.top()).take(visible);
    let thresholds = app.model().thresholds();
    let mut y = area.y + 1;
    for (worker, line) in rows.zip(y..) {
        for place in &places {
            cell(canvas, line, place, worker, thresholds, &snapshot.description);
        }
        if app.workers.key() == Some(&worker.stats.index) {
            let style = canvas.look.selected();
            canvas.highlight(Rect::new(area.x, line, area.width, 1), style);
        }
        y = line + 1;
    }
    figures_of_runtime(snapshot, canvas, area, y + 1);
}

/// From the line at `top` on.
fn figures_of_runtime(snapshot: &Target, canvas: &mut Canvas<'_>, area: Rect, top: u16) {
    for (line, y) in runtime(snapshot).iter().zip(top..area.bottom()) {
        let pieces: Pieces = vec![(format!(" {line}"), canvas.look.dim())];
        canvas.line(area.x, y, area.right(), &pieces);
    }
}

fn cell(
    canvas: &mut Canvas<'_>,
    y: u16,
    place: &Place<Part>,
    worker: &WorkerRow,
    thresholds: &Thresholds,
    description: &Description,
) {
    let look = canvas.look;
    let stats = &worker.stats;
    let known = |field, value| optional(description.get(field, value).ok(), compact_count);
    let per_second = |field, value| optional(description.get(field, value).ok(), rate);
    let plain = Style::new();
    let width = usize::from(place.width);
    let (text, style) = match place.column {
        Part::Worker => (format!("w{}", stats.index), look.title()),
        Part::Busy => {
            let bar = worker.busy.map(|busy| bar(look, busy, width));
            (bar.unwrap_or_default(), look.busy())
        }
        Part::Share => {
            let style = worker.busy.map_or(plain, |busy| look.share(busy));
            (optional(worker.busy, percent_number), style)
        }
        Part::Now => match &worker.current {
            Some((name, nanos)) if *nanos >= thresholds.long_poll_ns() => {
                let verb = if worker.current_kind() == PollKind::Drop { "dropping " } else { "" };
                (
                    format!("{verb}{name} for {}", duration(*nanos)),
                    look.length(thresholds, *nanos, plain),
                )
            }
            Some((name, _)) => (name.to_string(), plain),
            None => ("nothing".to_owned(), look.dim()),
        },
        Part::Queue => (known(FieldId::LocalQueue, stats.local_queue), plain),
        Part::Polls => (per_second(FieldId::WorkerPolls, worker.polls), plain),
        Part::Parks => (per_second(FieldId::Parks, worker.parks), plain),
        Part::Steals => (per_second(FieldId::Steals, worker.steals), plain),
        Part::Overflows => (known(FieldId::Overflows, stats.overflows), plain),
        Part::Thread => (stats.thread.to_string(), look.dim()),
        Part::Past => (history(look, &worker.history, width), look.busy()),
    };
    if place.right {
        canvas.put_right(place.x, y, place.width, &text, style);
    } else {
        canvas.put(place.x, y, place.width, &text, style);
    }
}

/// Statistics of the runtime as a whole, and the reasons for missing values.
fn runtime(snapshot: &Target) -> Vec<String> {
    let description = &snapshot.description;
    let known = |field, value| optional(description.get(field, value).ok(), compact_count);
    let runtime = &snapshot.runtime;
    let mut lines = vec![
        format!(
            "injection queue {}   remote schedules {}   budget forced yields {}",
            known(FieldId::InjectionQueue, runtime.global_queue),
            known(FieldId::RemoteSchedules, runtime.remote_schedules),
            known(FieldId::BudgetForcedYields, runtime.budget_forced_yields),
        ),
        format!(
            "blocking pool: threads {}, idle {}, queued {}",
            known(FieldId::BlockingThreads, runtime.blocking_threads),
            known(FieldId::IdleBlockingThreads, runtime.idle_blocking_threads),
            known(FieldId::BlockingQueue, runtime.blocking_queue),
        ),
    ];
    let mut reasons: Vec<&str> = Vec::new();
    let shown = [
        FieldId::Parks,
        FieldId::Steals,
        FieldId::Overflows,
        FieldId::LocalQueue,
        FieldId::InjectionQueue,
        FieldId::BlockingThreads,
        FieldId::RemoteSchedules,
    ];
    let shown = shown.into_iter().filter_map(|field| description.reason(field));
    for reason in WorkerRow::busy_unavailable(description).into_iter().chain(shown) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    lines.extend(reasons.into_iter().map(|reason| format!("–  {reason}")));
    lines
}

//! The workers: what each polls right now, its queue, and how busy it has been.

use ratatui::layout::Rect;

use super::{
    bars::{bar, history},
    canvas::{Canvas, Pieces},
    text::{count, duration, percent, rate},
};
use crate::{
    app::App,
    model::{Figure, WorkerRow},
};

/// Lines that a worker takes, the blank one included.
pub(super) const LINES: usize = 4;

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let visible = (usize::from(area.height) / LINES).max(1);
    let workers = app.model().workers().iter().skip(app.workers.top()).take(visible);
    for (worker, at) in workers.zip(0u16..) {
        let y = area.y + at * LINES as u16;
        let place = Rect::new(area.x, y, area.width, LINES as u16).intersection(area);
        one(canvas, place, worker);
        if app.workers.key() == Some(&worker.figures.index) {
            let style = canvas.look.selected();
            canvas.highlight(Rect::new(area.x, y, area.width, 1), style);
        }
    }
}

fn one(canvas: &mut Canvas<'_>, area: Rect, worker: &WorkerRow) {
    let look = canvas.look;
    let figures = &worker.figures;
    let mut pieces: Pieces = vec![
        (format!(" w{} ", figures.index), look.title()),
        (bar(look, worker.busy, 20), look.busy()),
        (format!(" {:>4}%  ", percent(worker.busy)), look.share(worker.busy)),
    ];
    match &worker.current {
        Some((name, nanos)) if *nanos >= 10_000_000 => {
            pieces.push((format!("polls {name} for {}", duration(*nanos)), look.critical()));
        }
        Some((name, _)) => pieces.push((format!("polls {name}"), look.good())),
        None => pieces.push(("in no poll".into(), look.dim())),
    }
    canvas.line(area.x, area.y, area.right(), &pieces);
    let lines = [facts(worker), past(canvas, area.width, worker)];
    for (line, y) in lines.iter().zip(area.y + 1..area.bottom()) {
        canvas.put(area.x, y, area.width, line, look.dim());
    }
}

fn facts(worker: &WorkerRow) -> String {
    let figures = &worker.figures;
    let known = |figure: Figure<u64>| figure.value().map_or("–".to_owned(), count);
    let per_second = |value: Option<f64>| value.map_or("–".to_owned(), rate);
    let facts = format!(
        "    {}  polls/s {}  parks/s {}  steals/s {}  local queue {}  overflows {}",
        figures.thread,
        rate(worker.polls),
        per_second(worker.parks),
        per_second(worker.steals),
        known(figures.local_queue),
        known(figures.overflows),
    );
    // One reason is enough: they all miss the same thing.
    match figures.local_queue.reason() {
        Some(reason) => format!("{facts}  (– {reason})"),
        None => facts,
    }
}

/// The busy shares of the last snapshots.
fn past(canvas: &Canvas<'_>, width: u16, worker: &WorkerRow) -> String {
    let width = usize::from(width.saturating_sub(6)).min(WorkerRow::HISTORY);
    format!("    {}", history(canvas.look, &worker.history, width))
}

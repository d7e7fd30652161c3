//! The workers in a few lines: how busy each one is, and the long poll that it is in. For targets in
//! other processes, the states of the connections instead.
//!
//! ```text
//!  w0 ██████████  100%  hog for 1.24s      w1 ██▌░░░░░░░ 26.0%
//! ```

use ratatui::{layout::Rect, style::Style};

use super::{
    bars::{bar, history},
    canvas::{Canvas, Spans},
    targets,
};
use crate::{
    app::{App, HitTarget},
    model::{Thresholds, WorkerRow},
    screens::theme::Theme,
    text::{UNAVAILABLE, duration, percent},
};

/// Minimum width of a worker.
const WORKER: u16 = 38;

/// The lines that the workers or the targets need on a screen of this size.
pub fn height(app: &App, width: u16, height: u16) -> u16 {
    if let Some(targets) = targets::line_count(app, width) {
        return targets.min((height / 4).max(1));
    }
    let max = height / 5;
    let workers = u16::try_from(app.worker_rows().len()).unwrap_or(u16::MAX);
    let lines = workers.div_ceil((width / WORKER).max(1));
    // If they do not fit, one line sums them up.
    if lines > max.max(1) { 1 } else { lines }
}

pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    if targets::line_count(app, area.width).is_some() {
        return targets::draw(app, canvas, area);
    }
    let (workers, thresholds) = (app.worker_rows(), app.model().thresholds());
    let no_busy = app.target().and_then(|it| WorkerRow::busy_unavailable(&it.description));
    let count = u16::try_from(workers.len()).unwrap_or(u16::MAX);
    let columns = (area.width / WORKER).min(count).max(1);
    if workers.len() > usize::from(columns) * usize::from(area.height) {
        return draw_sum(workers, no_busy, thresholds, canvas, area);
    }
    let width = area.width / columns;
    for (worker, at) in workers.iter().zip(0u16..) {
        let (x, y) = (at % columns * width, area.y + at / columns);
        let theme = canvas.theme;
        let mut spans: Spans = vec![(format!(" w{} ", worker.stats.index), theme.title())];
        spans.extend(busy(theme, worker.busy, |busy| bar(theme, busy, 10)));
        let is_long = |(_, nanos): &&(_, u64)| *nanos >= thresholds.long_poll_ns();
        if let Some((name, nanos)) = worker.current.as_ref().filter(is_long) {
            let style = theme.length(thresholds, *nanos, Style::new());
            spans.push((format!("  {name} for {}", duration(*nanos)), style));
        } else {
            spans.extend(no_busy.map(|reason| (format!("  busy: {reason}"), theme.dim())));
        }
        canvas.line(x, y, x + width, &spans);
        canvas.on_click(Rect::new(x, y, width, 1), HitTarget::Worker(usize::from(at)));
    }
}

/// The bar of a busy share, and the share.
fn busy(theme: Theme, share: Option<f64>, bar: impl FnOnce(f64) -> String) -> Spans {
    match share {
        Some(share) => {
            vec![
                (bar(share), theme.busy()),
                (format!(" {:>5}", percent(share)), theme.share(share)),
            ]
        }
        None => vec![(UNAVAILABLE.to_owned(), theme.dim())],
    }
}

/// All workers in one line: each is one block, whose height is its busy share.
fn draw_sum(
    workers: &[WorkerRow],
    no_busy: Option<&str>,
    thresholds: &Thresholds,
    canvas: &mut Canvas<'_>,
    area: Rect,
) {
    let theme = canvas.theme;
    let shares = workers.iter().map(|worker| worker.busy);
    let mean = shares.clone().sum::<Option<f64>>().map(|sum| sum / workers.len() as f64);
    let mut spans: Spans = vec![(format!(" {} workers ", workers.len()), theme.title())];
    spans.extend(busy(theme, mean, |mean| {
        if workers.len() + 50 > usize::from(area.width) {
            return bar(theme, mean, 10);
        }
        history(theme, &shares.collect::<Vec<_>>())
    }));
    let blocked: Vec<_> = workers
        .iter()
        .filter_map(|worker| Some((worker.stats.index, worker.current.as_ref()?)))
        .filter(|(_, (_, nanos))| *nanos >= thresholds.long_poll_ns())
        .collect();
    if let Some((index, (name, nanos))) = blocked.iter().max_by_key(|(_, (_, nanos))| *nanos) {
        let more = match blocked.len() - 1 {
            0 => String::new(),
            n => format!(", {n} more blocked"),
        };
        let text = format!("  w{index}: {name} for {}{more}", duration(*nanos));
        spans.push((text, theme.length(thresholds, *nanos, Style::new())));
    } else {
        spans.extend(no_busy.map(|reason| (format!("  busy: {reason}"), theme.dim())));
    }
    canvas.line(area.x, area.y, area.right(), &spans);
}

//! The workers in a line or two, and the worst finding: what one looks at first.
//!
//! ```text
//!  w0 ██████████  100%  hog for 1.24s      w1 ██▌░░░░░░░ 26.0%
//!  ‼ hog has blocked worker 0 for 1.24s without yielding; 112 tasks delayed   hog.rs:42
//! ```

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::{
    bars::{bar, history},
    canvas::{Canvas, Pieces},
    targets,
};
use crate::{
    app::{App, Overlay, Screen},
    model::{Thresholds, WorkerRow},
    screens::theme::Look,
    text::{UNAVAILABLE, duration, percent},
};

/// How wide one worker's part is at the least.
const WORKER: u16 = 38;

/// How many lines the workers take, or the targets, of a screen so high.
pub fn lines(app: &App, width: u16, height: u16) -> u16 {
    if let Some(targets) = targets::lines(app, width) {
        return targets.min((height / 4).max(1));
    }
    let most = height / 5;
    let workers = u16::try_from(app.worker_rows().len()).unwrap_or(u16::MAX);
    let lines = workers.div_ceil((width / WORKER).max(1));
    // Too many to show each: one line sums them up.
    if lines > most.max(1) { 1 } else { lines }
}

/// Each worker: how busy it is, and what it polls right now.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    if targets::lines(app, area.width).is_some() {
        return targets::draw(app, canvas, area);
    }
    let (workers, thresholds) = (app.worker_rows(), app.model().thresholds());
    let no_busy = app.target().and_then(|it| WorkerRow::busy_unavailable(&it.description));
    let columns = (area.width / WORKER).max(1);
    if workers.len() > usize::from(columns) * usize::from(area.height) {
        return sum(workers, no_busy, thresholds, canvas, area);
    }
    let width = area.width / columns;
    for (worker, at) in workers.iter().zip(0u16..) {
        let (x, y) = (at % columns * width, area.y + at / columns);
        let look = canvas.look;
        let mut pieces: Pieces = vec![(format!(" w{} ", worker.stats.index), look.title())];
        pieces.extend(busy(look, worker.busy, |busy| bar(look, busy, 10)));
        let is_long = |(_, nanos): &&(_, u64)| *nanos >= thresholds.long_poll_ns();
        if let Some((name, nanos)) = worker.current.as_ref().filter(is_long) {
            let style = look.length(thresholds, *nanos, Style::new());
            pieces.push((format!("  {name} for {}", duration(*nanos)), style));
        } else {
            pieces.extend(no_busy.map(|reason| (format!("  busy: {reason}"), look.dim())));
        }
        canvas.line(x, y, x + width, &pieces);
    }
}

/// A busy share, if there is one, after its bar.
fn busy(look: Look, share: Option<f64>, bar: impl FnOnce(f64) -> String) -> Pieces {
    match share {
        Some(share) => {
            vec![(bar(share), look.busy()), (format!(" {:>5}", percent(share)), look.share(share))]
        }
        None => vec![(UNAVAILABLE.to_owned(), look.dim())],
    }
}

/// Many workers in one line: each is one block, as high as it is busy.
fn sum(
    workers: &[WorkerRow],
    no_busy: Option<&str>,
    thresholds: &Thresholds,
    canvas: &mut Canvas<'_>,
    area: Rect,
) {
    let look = canvas.look;
    let shares = workers.iter().map(|worker| worker.busy);
    let mean = shares.clone().sum::<Option<f64>>().map(|sum| sum / workers.len() as f64);
    let mut pieces: Pieces = vec![(format!(" {} workers ", workers.len()), look.title())];
    pieces.extend(busy(look, mean, |mean| {
        if workers.len() + 50 > usize::from(area.width) {
            return bar(look, mean, 10);
        }
        // A place for each of them, idle or not.
        let shares: Vec<f64> = shares.flatten().map(|share| share.max(0.01)).collect();
        history(look, &shares, shares.len())
    }));
    let held: Vec<_> = workers
        .iter()
        .filter_map(|worker| Some((worker.stats.index, worker.current.as_ref()?)))
        .filter(|(_, (_, nanos))| *nanos >= thresholds.long_poll_ns())
        .collect();
    if let Some((index, (name, nanos))) = held.iter().max_by_key(|(_, (_, nanos))| *nanos) {
        let more = match held.len() - 1 {
            0 => String::new(),
            n => format!(", {n} more blocked"),
        };
        let text = format!("  w{index}: {name} for {}{more}", duration(*nanos));
        pieces.push((text, look.length(thresholds, *nanos, Style::new())));
    } else {
        pieces.extend(no_busy.map(|reason| (format!("  busy: {reason}"), look.dim())));
    }
    canvas.line(area.x, area.y, area.right(), &pieces);
}

/// The worst finding in a sentence, where, and how to see more.
pub fn finding(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let findings = app.model().findings();
    let Some(worst) = findings.first() else { return };
    let look = canvas.look;
    let sign = look.alarm(worst.severity);
    let more = match findings.len() - 1 {
        0 => String::new(),
        n => format!("  (+{n} more)"),
    };
    let target = app.model().target(worst.target).filter(|_| app.has_several_targets());
    let of = target.map(|target| format!("{}: ", target.name())).unwrap_or_default();
    let sentence = format!(" {sign} {of}{}{more}", worst.sentence);
    let place = worst.place().unwrap_or_default();
    // The whole path if there is room for it, else the file: the line is what people came
    // for, so the end of the sentence makes room for it unless that is most of the line.
    let file = place.rsplit('/').next().unwrap_or(place);
    let hint = if opens_finding(app) { look.glyph("  ⏎ why", "  Enter: why") } else { "" };
    let room = usize::from(area.width).saturating_sub(sentence.width() + 3);
    let texts = [format!("{place}{hint}"), format!("{file}{hint}"), file.to_owned()];
    let fitting = texts.into_iter().find(|text| text.width() <= room);
    let needed = file.width() * 4 <= usize::from(area.width);
    let text = fitting.or(needed.then(|| file.to_owned())).unwrap_or_default();
    let right = area.width - (text.width() as u16 + u16::from(!text.is_empty())).min(area.width);
    canvas.put(
        0,
        area.y,
        right - u16::from(right < area.width),
        &sentence,
        look.severity(worst.severity),
    );
    canvas.put(right, area.y, area.width - right, &text, look.dim());
}

/// Whether Enter leads to the finding: nothing else is selected.
fn opens_finding(app: &App) -> bool {
    app.overlay == Overlay::None
        && app.screen == Screen::Tasks
        && app.tasks.key().is_none()
        && app.filter.is_empty()
}

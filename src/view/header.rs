//! The top of the screen: what is watched, the two numbers, the workers, the worst finding.

use ratatui::{layout::Rect, style::Modifier};
use unicode_width::UnicodeWidthStr;

use super::{
    bars::bar,
    canvas::{Canvas, Pieces},
    text::{duration, factor, percent},
};
use crate::{
    app::App,
    model::{Factor, Flavor, HogFigures, Model, Severity},
};

/// What is watched to the left; slowdown, lag and the hog to the right.
pub(super) fn header(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    let Some(snapshot) = app.model().snapshot() else {
        let text = " asynctop  waits for the first look at the runtime".to_owned();
        canvas.line(0, area.y, area.width, &vec![(text, look.title())]);
        return;
    };
    let figures = figures(app.model(), canvas);
    let needed: usize = figures.iter().map(|(text, _)| text.width()).sum();
    // What is watched and how stays even where that costs the hog its place.
    let least = match area.width {
        _ if app.is_frozen() => 24,
        ..70 => 10,
        _ => 36,
    };
    let room = area.width.saturating_sub(needed as u16).max(area.width.min(least));

    let runtime = match snapshot.runtime.flavor {
        Flavor::CurrentThread => "current-thread".to_owned(),
        Flavor::MultiThread => {
            let sign = look.glyph("×", "x");
            format!("multi-thread {sign}{}", snapshot.workers.len())
        }
    };
    let per_second = 1.0 / app.interval.as_secs_f64();
    let mut left: Pieces = vec![
        (" asynctop".into(), look.title()),
        (format!("  {}", snapshot.source), look.title()),
        (format!("  {runtime}"), look.title()),
        (format!("  up {}", duration(snapshot.runtime.uptime_ns)), look.dim()),
        (format!("  {per_second}/s"), look.dim()),
    ];
    if app.is_frozen() {
        // Before all else: whoever overlooks it takes the past for the present.
        let banner = format!(" FROZEN {} ago ", duration(app.frozen_for_ns()));
        left.splice(.., [(banner, look.warning().add_modifier(Modifier::REVERSED))]);
    }
    let (mut x, mut end) = (0, 0);
    for (text, style) in left.iter().take_while(|(text, _)| {
        let fits = end + text.width() as u16 <= room;
        end += if fits { text.width() as u16 } else { 0 };
        fits
    }) {
        x += canvas.put(x, area.y, room - x, text, *style);
    }
    canvas.line_right(x, area.y, area.width, &figures);
}

/// The figures to the right, the most important ones last.
fn figures(model: &Model, canvas: &Canvas<'_>) -> Pieces {
    let look = canvas.look;
    let mut pieces = Pieces::new();
    if let Some(lab) = model.snapshot().and_then(|snapshot| snapshot.lab.as_ref()) {
        pieces.push(hog(&lab.hog, canvas));
    }
    let lag = model.lag().p99_ns;
    let style = match lag {
        Some(10_000_000..100_000_000) => look.warning(),
        Some(100_000_000..) => look.critical(),
        _ => look.title(),
    };
    pieces.push((format!("  lag p99 {}", lag.map_or("–".into(), duration)), style));
    if let Some(slowdown) = model.slowdown().factor {
        let (text, style) = match slowdown {
            Factor::Standstill => (look.glyph("∞", "inf").to_owned(), look.critical()),
            Factor::Times(n) if n >= 10.0 => (factor(n), look.critical()),
            Factor::Times(n) if n >= 1.5 => (factor(n), look.warning()),
            Factor::Times(n) => (factor(n.max(1.0)), look.good()),
        };
        pieces.push((format!("  slowdown {}{text}", look.glyph("×", "x")), style));
    }
    pieces.push((" ".into(), look.title()));
    pieces
}

fn hog(hog: &HogFigures, canvas: &Canvas<'_>) -> (String, ratatui::style::Style) {
    let look = canvas.look;
    let turn = match hog.hold_ns {
        Some(nanos) => duration(nanos),
        None => "never yields".to_owned(),
    };
    let count = if hog.count > 1 {
        format!("{}{}", look.glyph("×", "x"), hog.count)
    } else {
        String::new()
    };
    match hog.on_since_ns {
        Some(_) => {
            (format!("  hog {} {}{count} {turn}", look.glyph("●", "ON"), hog.kind), look.critical())
        }
        None => (format!("  hog {} off", look.glyph("○", "-")), look.dim()),
    }
}

/// How wide one worker's part of the strip is at the least.
const WORKER: u16 = 38;

/// How many lines the workers take, if they may have up to `most`.
pub(super) fn strip_lines(app: &App, width: u16, most: u16) -> u16 {
    let workers = app.model().workers().len() as u16;
    let lines = workers.div_ceil((width / WORKER).max(1));
    // Too many to show each: one line sums them up.
    if lines > most.max(1) { 1 } else { lines }
}

/// Each worker: how busy it is, and what it polls right now.
pub(super) fn strip(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let workers = app.model().workers();
    let columns = (area.width / WORKER).max(1);
    let needed = (workers.len() as u16).div_ceil(columns);
    if needed > area.height {
        return strip_sum(app, canvas, area);
    }
    let width = area.width / columns;
    for (worker, at) in workers.iter().zip(0u16..) {
        let (x, y) = (at % columns * width, area.y + at / columns);
        let right = x + width;
        let look = canvas.look;
        let mut pieces: Pieces = vec![
            (format!(" w{} ", worker.figures.index), look.title()),
            (bar(look, worker.busy, 10), look.busy()),
            (format!(" {:>4}%", percent(worker.busy)), look.share(worker.busy)),
        ];
        if let Some((name, nanos)) = worker.current.as_ref().filter(|(_, n)| *n >= 10_000_000) {
            pieces.push((format!("  {name} for {}", duration(*nanos)), look.critical()));
        }
        canvas.line(x, y, right, &pieces);
    }
    if workers.len() == 1 {
        canvas.line_right(WORKER, area.y, area.width, &queues(app.model(), canvas));
    }
}

fn queues(model: &Model, canvas: &Canvas<'_>) -> Pieces {
    let Some(snapshot) = model.snapshot() else { return Pieces::new() };
    let figure = |value: Option<u64>| value.map_or("–".to_owned(), |n| n.to_string());
    let runtime = &snapshot.runtime;
    let text = format!(
        "waiting {}  queue {}  blocking {} ",
        model.lag().waiting,
        figure(runtime.global_queue.value()),
        figure(runtime.blocking_threads.value()),
    );
    vec![(text, canvas.look.dim())]
}

/// Many workers in one line.
fn strip_sum(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let (workers, look) = (app.model().workers(), canvas.look);
    let busy: f64 = workers.iter().map(|worker| worker.busy).sum::<f64>() / workers.len() as f64;
    let held = workers
        .iter()
        .filter(|worker| worker.current.as_ref().is_some_and(|(_, nanos)| *nanos >= 100_000_000));
    let held = held.count();
    let mut pieces: Pieces = vec![
        (format!(" {} workers ", workers.len()), look.title()),
        (bar(look, busy, 10), look.busy()),
        (format!(" {:>4}%", percent(busy)), look.share(busy)),
    ];
    if held > 0 {
        pieces.push((format!("  {held} held by a long poll"), look.critical()));
    }
    canvas.line(0, area.y, area.width, &pieces);
}

/// The worst finding in a sentence, and where.
pub(super) fn finding(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let findings = app.model().findings();
    let Some(worst) = findings.first() else { return };
    let look = canvas.look;
    let style = look.severity(worst.severity);
    let sign = match worst.severity {
        Severity::Critical => look.glyph("‼", "!!"),
        Severity::Warning => look.glyph("▲", "! "),
        Severity::Info => look.glyph("·", "- "),
    };
    let more = match findings.len() - 1 {
        0 => String::new(),
        n => format!("  (+{n} more)"),
    };
    let sentence = format!(" {sign} {}{more}", worst.sentence);
    let place = worst.place().unwrap_or_default();
    // The whole path if there is room for it, else the file, else the sentence alone.
    let file = place.rsplit('/').next().unwrap_or(place);
    let room = usize::from(area.width).saturating_sub(sentence.width() + 2);
    let place = [place, file].into_iter().find(|place| place.width() <= room).unwrap_or_default();
    let right = area.width - place.width() as u16 - u16::from(!place.is_empty());
    canvas.put(0, area.y, right, &sentence, style);
    canvas.put(right, area.y, area.width - right, place, look.dim());
}

//! Everything that is known of one task.

use ratatui::{layout::Rect, style::Style};

use super::{
    bars::{bar, mark},
    canvas::{Canvas, Pieces},
    text::{count, duration, percent, rate},
    theme::Look,
};
use crate::{
    Histogram,
    app::App,
    model::{Distributions, Figure, Subject, TaskFigures, TaskRates},
    probe::State,
};

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect, key: u64, scroll: usize) {
    let look = canvas.look;
    let Some(task) = app.task(key) else {
        let text = " this task has ended and is no longer kept; Esc goes back";
        canvas.put(area.x, area.y, area.width, text, look.dim());
        return;
    };
    let rates = app.model().position(key).map(|at| app.model().rates(at)).unwrap_or_default();
    let taken_ns = app.model().snapshot().map_or(0, |snapshot| snapshot.taken_ns);
    let mut lines = identity(look, task, taken_ns);
    lines.push(Pieces::new());
    lines.extend(life(look, task));
    lines.push(Pieces::new());
    lines.extend(counts(look, task, rates));
    let held = app.model().findings().iter().find(|finding| finding.task == Some(key));
    if let Some(finding) = held {
        lines.push(Pieces::new());
        lines.push(vec![(format!(" {}", finding.sentence), look.severity(finding.severity))]);
        let evidence = finding.evidence.iter().flat_map(|evidence| evidence.lines());
        lines.extend(evidence.map(|line| vec![(format!("   {line}"), Style::new())]));
        lines.push(vec![(format!(" {}", finding.cure), look.good())]);
    }
    let distributions = app.model().snapshot().and_then(|snapshot| {
        let mine = |(subject, _): &&(Subject, Distributions)| *subject == Subject::Task(key);
        snapshot.distributions.iter().find(mine).map(|(_, distributions)| distributions)
    });
    if let Some(Distributions { poll_times, delays }) = distributions {
        lines.push(Pieces::new());
        lines.extend(distribution(look, "poll times", poll_times));
        lines.push(Pieces::new());
        lines.extend(distribution(look, "waits for a worker", delays));
    }
    show(canvas, area, &lines, scroll);
}

/// As many of the lines as fit, from `scroll` on.
pub(super) fn show(canvas: &mut Canvas<'_>, area: Rect, lines: &[Pieces], scroll: usize) {
    let visible = usize::from(area.height);
    let top = scroll.min(lines.len().saturating_sub(visible));
    for (line, y) in lines.iter().skip(top).take(visible).zip(area.y..) {
        canvas.line(area.x, y, area.right(), line);
    }
    let more = lines.len().saturating_sub(top + visible);
    if more > 0 && area.height > 1 {
        let text = format!(" {more} more {} ", canvas.look.glyph("↓", "v"));
        let style = canvas.look.selected();
        canvas.put_right(area.x, area.bottom() - 1, area.width, &text, style);
    }
}

fn identity(look: Look, task: &TaskFigures, taken_ns: u64) -> Vec<Pieces> {
    let meta = &task.meta;
    let since = duration(taken_ns.saturating_sub(task.since_ns));
    let ago = if task.state.is_done() { " ago" } else { "" };
    let mut lines = vec![
        vec![
            (format!(" {}", meta.name), look.title()),
            (format!("  task {}  group {}", meta.id, meta.group), look.dim()),
        ],
        vec![
            (format!(" {} ", look.sign(task.state)), look.state(task.state)),
            (task.state.as_str().to_owned(), look.state(task.state)),
            (format!(" {}{since}{ago}", if ago.is_empty() { "for " } else { "" }), Style::new()),
            (task.stage.map(|stage| format!(", {stage}")).unwrap_or_default(), Style::new()),
        ],
        vec![(
            format!(" spawned at {}, a future of {} bytes", meta.location, meta.future_size),
            Style::new(),
        )],
    ];
    if task.state == State::Idle && task.live_wakers == Figure::Measured(0) {
        let sentence = " no waker of it is left: nobody can wake it, it will never run again";
        lines.push(vec![(sentence.to_owned(), look.warning())]);
    }
    lines
}

fn life(look: Look, task: &TaskFigures) -> Vec<Pieces> {
    let share = |part: u64| match task.lifetime_ns {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    };
    let part = |name: &str, nanos: u64, style: Style| {
        vec![
            (format!(" {name:<10}{:>8} {:>5}%  ", duration(nanos), percent(share(nanos))), style),
            (bar(look, share(nanos), 24), style),
        ]
    };
    vec![
        vec![(format!(" {:<10}{:>8}", "lifetime", duration(task.lifetime_ns)), look.title())],
        part("busy", task.busy_ns, look.busy()),
        part("scheduled", task.scheduled_ns, look.warning()),
        part("idle", task.idle_ns, Style::new()),
    ]
}

fn counts(look: Look, task: &TaskFigures, rates: TaskRates) -> Vec<Pieces> {
    let wakers = match task.live_wakers {
        _ if task.state.is_done() => "–".to_owned(),
        Figure::Unavailable(reason) => format!("– ({reason})"),
        known => known.value().map_or("–".to_owned(), |n| n.to_string()),
    };
    let mean = task.busy_ns.checked_div(task.polls).unwrap_or(0);
    let facts = [
        ("polls", format!("{}, {} a second", count(task.polls), rate(rates.polls))),
        ("longest poll", format!("{}, mean {}", duration(task.max_poll_ns), duration(mean))),
        ("longest wait", duration(task.max_delay_ns)),
        (
            "wakes",
            format!(
                "{}, {} a second, {} by itself",
                count(task.wakes),
                rate(rates.wakes),
                count(task.self_wakes)
            ),
        ),
        ("wakers", wakers),
    ];
    let line = |(name, fact): (&str, String)| {
        vec![(format!(" {name:<14}"), look.dim()), (fact, Style::new())]
    };
    facts.into_iter().map(line).collect()
}

fn distribution(look: Look, name: &str, histogram: &Histogram) -> Vec<Pieces> {
    let quantile = |q| histogram.quantile(q).map_or("–".to_owned(), duration);
    let head = format!(
        " {name}: p50 {}  p90 {}  p99 {}  max {}",
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        quantile(1.0)
    );
    let most = histogram.bars().map(|(_, n)| n).max().unwrap_or(1);
    let bars = histogram.bars().map(|(from, n)| {
        let from =
            if from == 0 { "below 1µs".to_owned() } else { format!("from {}", duration(from)) };
        vec![
            (format!(" {from:>14} {:>7} ", count(n)), look.dim()),
            (mark(look, n as f64 / most as f64, 30), look.busy()),
        ]
    });
    std::iter::once(vec![(head, look.title())]).chain(bars).collect()
}

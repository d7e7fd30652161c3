//! The history of the selected target: three graphs side by side, or a line of them on a low
//! screen.
//!
//! ```text
//!  workers busy 38%          ●      sched delay p99 ~3.4 s    ●   work, of baseline 12%    ●
//! 100                    ⣿⣿⣿⣿⣿⣿⣿    10s             ⢀⣠⣴⣾⣿⣿⣿⣿⣿   100% ⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿
//!                        ⣿⣿⣿⣿⣿⣿⣿   10ms             ⣸⣿⣿⣿⣿⣿⣿⣿⣿        ⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿
//!   0 ⣀⣀⣄⣀⣀⣠⣀⣀⣀⣀⣄⣀⣀⣀⣀⣀⣀⣀⣀⣿⣿⣿⣿⣿⣿⣿   10µs⣀⣀⣀⣀⣠⣀⣀⣀⣀⣀⣀⣀⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿      0 ⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣀⣀⣀⣀⣀
//! ```

use ratatui::{layout::Rect, style::Style};

use super::{
    canvas::Canvas,
    graph::{VALUES_PER_CELL, area as chart_lines},
};
use crate::{
    app::{App, HitTarget},
    model::{HistoryEvent, HistoryPoint, Severity, TargetModel, Thresholds, WorkerRow},
    screens::theme::Theme,
    snapshot::FieldId,
    text::{UNAVAILABLE, bucket_duration, rate, whole_percent, wrap},
};

/// The lines of the three graphs, with their titles.
const BAND: u16 = 4;
/// The width of a value, so that a graph beside it keeps its place.
const VALUE: usize = 7;
/// The width of the labels of an axis.
const AXIS: u16 = 5;
/// A graph narrower than this shows nothing.
const MIN_WIDTH: u16 = 24;

/// The lines that the graphs take on a screen of this size.
pub fn height(app: &App, width: u16, height: u16) -> u16 {
    match height {
        _ if app.selected().is_none() || width < MIN_WIDTH => 0,
        30.. => BAND,
        20.. => 1,
        _ => 0,
    }
}

/// One of the graphs.
struct Graph {
    title: &'static str,
    /// The title on a single line.
    short: &'static str,
    /// The latest value as text, or why there is none.
    value: Result<(String, Style), String>,
    /// Labels of the axis: top, middle and bottom.
    axis: [String; 3],
    /// The value of a point.
    of: fn(&HistoryPoint) -> Option<f64>,
    /// The value at the top.
    top: f64,
}

/// The ends of the logarithmic axis of delays, as powers of ten of a nanosecond.
const DELAY_AXIS: (f64, f64) = (4.0, 10.0);

fn delay_height(delay_ns: u64) -> f64 {
    let (low, high) = DELAY_AXIS;
    ((delay_ns.max(1) as f64).log10() - low) / (high - low)
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `value`.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 5.0].map(|n| n * power).into_iter().find(|n| *n >= value).unwrap_or(10.0 * power)
}

fn graphs(
    model: &TargetModel,
    thresholds: &Thresholds,
    theme: Theme,
    points: &[Option<HistoryPoint>],
) -> [Graph; 3] {
    let latest = model.history().points().latest().copied().unwrap_or_default();
    let description = &model.target().description;
    let value = |reason: Option<&str>, latest: Option<(String, Style)>| match reason {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(latest.unwrap_or_else(|| (UNAVAILABLE.to_owned(), theme.dim()))),
    };
    let percent_axis = || ["100%", "50%", "0%"].map(str::to_owned);
    let busy = Graph {
        title: "workers busy",
        short: "busy",
        value: value(
            WorkerRow::busy_unavailable(description),
            latest.busy.map(|busy| (whole_percent(busy), theme.share(busy))),
        ),
        axis: percent_axis(),
        of: |point| point.busy,
        top: 1.0,
    };
    let delay_text =
        |delay_ns| (bucket_duration(delay_ns), theme.length(thresholds, delay_ns, Style::new()));
    let delay = Graph {
        title: "sched delay p99",
        short: "p99",
        value: value(
            description.reason(FieldId::SchedulingDelay),
            latest.delay_p99_ns.map(delay_text),
        ),
        axis: ["10 s", "10 ms", "10 µs"].map(str::to_owned),
        of: |point| point.delay_p99_ns.map(delay_height),
        top: 1.0,
    };
    let seen = || points.iter().flatten();
    if latest.work.is_some() || seen().any(|point| point.work.is_some()) {
        let work_text = |work: f64| {
            let style = match work {
                ..0.1 => theme.critical(),
                ..0.67 => theme.warning(),
                _ => theme.good(),
            };
            (whole_percent(work.min(1.0)), style)
        };
        let work = Graph {
            title: "work, of baseline",
            short: "work",
            value: value(None, latest.work.map(work_text)),
            axis: percent_axis(),
            of: |point| point.work,
            top: 1.0,
        };
        return [busy, delay, work];
    }
    let top = round_up(seen().filter_map(|point| point.polls).fold(1.0, f64::max));
    let polls = Graph {
        title: "polls/s",
        short: "polls/s",
        value: value(
            description.reason(FieldId::PollRate),
            latest.polls.map(|polls| (rate(polls), Style::new())),
        ),
        axis: [rate(top), rate(top / 2.0), "0".into()],
        of: |point| point.polls,
        top,
    };
    [busy, delay, polls]
}

/// Draws the graphs of the selected target.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(model) = app.selected() else { return };
    canvas.on_click(area, HitTarget::Graph);
    let count = (area.width / MIN_WIDTH).clamp(1, 3);
    let width = area.width / count;
    let is_band = area.height >= BAND;
    let span_ns = app.graph_span().nanos();
    let now_ns = model.target().known_until_ns;
    let thresholds = app.model().thresholds();
    let theme = canvas.theme;
    let columns = |cells: u16| {
        let columns = usize::from(cells) * VALUES_PER_CELL;
        model.history().points().columns(now_ns, span_ns, columns)
    };
    let all = graphs(model, thresholds, theme, &columns(width));
    for (graph, nth) in all.iter().zip(0..count) {
        let at = Rect { x: area.x + nth * width, width, ..area };
        let mut x = at.x + 1;
        let title = if is_band { graph.title } else { graph.short };
        x += canvas.put(x, at.y, at.right() - x, title, theme.title()) + 1;
        let (value, style) = match &graph.value {
            Ok((value, style)) => (value.as_str(), *style),
            Err(_) => (UNAVAILABLE, theme.dim()),
        };
        let value = format!("{value:<VALUE$}");
        x += canvas.put(x, at.y, at.right().saturating_sub(x), &value, style) + 1;
        // On a single line, the graph is to the right of its title.
        let chart = match is_band {
            true => {
                let (x, width) = (at.x + AXIS + 1, width - AXIS - 2);
                Rect { x, y: at.y + 1, width, height: BAND - 1 }
            }
            false => Rect { x, y: at.y, width: at.right().saturating_sub(x + 1), height: 1 },
        };
        if let Err(reason) = &graph.value {
            let lines = wrap(reason, usize::from(chart.width));
            // A single line has room for the whole reason, or for none.
            let lines = if lines.len() <= usize::from(chart.height) { lines } else { Vec::new() };
            for (line, y) in lines.iter().zip(chart.y..) {
                canvas.put(chart.x, y, chart.width, line, theme.dim());
            }
            continue;
        }
        if is_band {
            let span = app.graph_span().as_str();
            x += canvas.put(x, at.y, at.right().saturating_sub(x), span, theme.dim());
        }
        let points = columns(chart.width);
        let values: Vec<_> =
            points.iter().map(|point| Some((graph.of)(point.as_ref()?)? / graph.top)).collect();
        let text = chart_lines(theme, &values, usize::from(chart.height));
        for (line, y) in text.iter().zip(chart.y..) {
            canvas.put(chart.x, y, chart.width, line, theme.busy());
        }
        if is_band {
            for (label, y) in graph.axis.iter().zip(chart.y..) {
                canvas.put_right(at.x, y, AXIS, label, theme.dim());
            }
            marks(model, canvas, Rect { y: at.y, height: 1, ..chart }, (now_ns, span_ns), x);
        }
    }
}

/// Marks of the hog, of restarts and of findings above a graph, right of `free_from`.
fn marks(
    model: &TargetModel,
    canvas: &mut Canvas<'_>,
    line: Rect,
    (now_ns, span_ns): (u64, u64),
    free_from: u16,
) {
    let theme = canvas.theme;
    let cell_ns = (span_ns / u64::from(line.width.max(1))).max(1);
    let last = now_ns / cell_ns;
    let mut mark = |at_ns: u64, glyph: &str, style: Style| {
        let age = last.saturating_sub(at_ns / cell_ns).try_into().unwrap_or(u16::MAX);
        if age < line.width && line.right() - 1 - age > free_from {
            canvas.put(line.right() - 1 - age, line.y, 2, glyph, style);
        }
    };
    for (at_ns, event) in model.history().events() {
        match event {
            HistoryEvent::HogOn => mark(at_ns, theme.glyph("●", "H"), theme.critical()),
            HistoryEvent::HogOff => mark(at_ns, theme.glyph("○", "h"), Style::new()),
            HistoryEvent::Restart => mark(at_ns, theme.glyph("↻", "R"), theme.key()),
        }
    }
    for finding in model.all_findings() {
        if finding.severity > Severity::Info {
            let (glyph, style) =
                (theme.severity_glyph(finding.severity), theme.severity(finding.severity));
            mark(finding.first_seen_ns, glyph, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_ends_at_a_round_number() {
        let ends = [0.0, 1.0, 1.5, 2.0, 3.0, 700.0, 5001.0].map(round_up);
        assert_eq!(ends, [1.0, 1.0, 2.0, 2.0, 5.0, 1000.0, 10_000.0]);
    }

    #[test]
    fn delay_axis_is_logarithmic() {
        assert_eq!([10_000, 10_000_000, 10_000_000_000].map(delay_height), [0.0, 0.5, 1.0]);
    }
}

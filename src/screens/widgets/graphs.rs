//! The history of the selected target: three graphs side by side, or a line of them on a low
//! screen. Where a target lacks a statistic, another one that it has takes the place of its graph.
//!
//! ```text
//!  workers busy 38%          ●      sched delay p99 ~3.4 s    ●   work, of baseline 12%    ●
//! 100                    ⣿⣿⣿⣿⣿⣿⣿    10s             ⢀⣠⣴⣾⣿⣿⣿⣿⣿   100% ⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿
//!                        ⣿⣿⣿⣿⣿⣿⣿   10ms             ⣸⣿⣿⣿⣿⣿⣿⣿⣿        ⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿
//!   0 ⣀⣀⣄⣀⣀⣠⣀⣀⣀⣀⣄⣀⣀⣀⣀⣀⣀⣀⣀⣿⣿⣿⣿⣿⣿⣿   10µs⣀⣀⣀⣀⣠⣀⣀⣀⣀⣀⣀⣀⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿      0 ⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣀⣀⣀⣀⣀
//! ```

use ratatui::{layout::Rect, style::Style};

use super::{
    canvas::{Canvas, Spans},
    chart,
    graph::{VALUES_PER_CELL, area as chart_lines},
    history_graph::history_graphs,
};
use crate::{
    app::{App, GraphWindow, HitTarget},
    model::{HistoryEvent, HistoryPoint, Severity, TargetModel},
    text::{UNAVAILABLE, wrap},
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

/// Draws the graphs of the selected target.
pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(model) = app.selected() else { return };
    canvas.on_click(area, HitTarget::Graph { column: 0, columns: 1 });
    let count = (area.width / MIN_WIDTH).clamp(1, 3);
    let width = area.width / count;
    let is_band = area.height >= BAND;
    let window = app.graph_window(model);
    let theme = canvas.theme;
    let columns = |cells: u16| {
        let columns = usize::from(cells) * VALUES_PER_CELL;
        model.history().points().columns(window.end_ns, window.span_ns, columns)
    };
    let all = history_graphs(model, app.model().thresholds(), theme, &columns(width));
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
            let span = app.graph_span_text(model);
            x += canvas.put(x, at.y, at.right().saturating_sub(x), &span, theme.dim());
        }
        let points = columns(chart.width);
        let values: Vec<_> =
            points.iter().map(|point| Some((graph.of)(point.as_ref()?)? / graph.top)).collect();
        let text = chart_lines(theme, &values, usize::from(chart.height));
        let style = |pair: &[Option<HistoryPoint>]| {
            // The later point, which is that of the value beside the title at the right edge.
            let point = pair.iter().flatten().next_back();
            point.map_or_else(Style::new, |point| {
                (graph.style)(point, app.model().thresholds(), theme)
            })
        };
        let styles: Vec<Style> = points.chunks(VALUES_PER_CELL).map(style).collect();
        for (line, y) in text.iter().zip(chart.y..) {
            canvas.line(chart.x, y, chart.right(), &colored(line, &styles));
        }
        if is_band {
            for (label, y) in graph.axis.iter().zip(chart.y..) {
                canvas.put_right(at.x, y, AXIS, label, theme.dim());
            }
            marks(model, canvas, Rect { y: at.y, height: 1, ..chart }, window, x);
        }
        chart::select(app, canvas, chart);
    }
}

/// A line of a graph with the style of each character. Neighbors with one style are one span.
fn colored(line: &str, styles: &[Style]) -> Spans {
    let mut spans = Spans::new();
    for (character, style) in line.chars().zip(styles) {
        match spans.last_mut() {
            Some((text, last)) if last == style => text.push(character),
            _ => spans.push((character.into(), *style)),
        }
    }
    spans
}

/// Marks of the hog, of restarts and of findings above a graph, right of `free_from`.
fn marks(
    model: &TargetModel,
    canvas: &mut Canvas<'_>,
    line: Rect,
    GraphWindow { end_ns, span_ns }: GraphWindow,
    free_from: u16,
) {
    let theme = canvas.theme;
    let cell_ns = (span_ns / u64::from(line.width.max(1))).max(1);
    let last = end_ns.saturating_sub(1) / cell_ns;
    let mut mark = |at_ns: u64, glyph: &str, style: Style| {
        if at_ns > end_ns {
            return;
        }
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

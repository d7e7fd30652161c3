//! The screen of `asynctop compare`: threads and async, compared while they are measured.
//!
//! ```text
//!  asynctop compare  one service: a thread per connection, or async on one thread   3 of 6 measured
//!  CONNECTIONS  STYLE    THREADS     MEMORY  REQUESTS/S       P50       P99  SWITCHES/REQ    CPU/REQ
//!          100  threads      101     7.6 MB       71792     1.3ms     2.7ms          1.09     15.5µs
//!               async          1     4.9 MB       59023     1.6ms     6.1ms          0.32      7.4µs
//!               better   throughput threads ×1.2, p99 latency threads ×2.3, memory async ×1.6
//!         1000  threads  ████▌░░░░░ measuring
//!               async    pending
//!  q quit and print the table
//! ```

use std::{fmt::Display, time::Duration};

use asynctop_lab::compare::{self, Row};
use ratatui::{Frame, style::Style};
use unicode_width::UnicodeWidthStr;

use super::{
    layout::{MIN_SIZE, is_too_small},
    theme::Theme,
    widgets::{
        bars::bar,
        canvas::{Canvas, Spans},
    },
};
use crate::app::{Comparison, Settings};

const TITLE: &str = "one service: a thread per connection, or async on one thread";
/// Widths of the titles and of the longest values below them.
const WIDTHS: [usize; 7] = [9, 11, 12, 10, 10, 14, 11];
/// Width of the first two columns, connections and style.
const FIRST_COLUMNS: usize = 21;

/// How many lines a terminal of this size can scroll.
pub fn comparison_scroll_limit(comparison: &Comparison, width: u16, height: u16) -> usize {
    let theme = Theme::new(Settings::default());
    let available = usize::from(height.saturating_sub(3));
    lines(comparison, theme, width, Duration::ZERO).len().saturating_sub(available)
}

/// Draws the comparison at the time `now`.
pub fn render_comparison(
    comparison: &Comparison,
    settings: Settings,
    now: Duration,
    frame: &mut Frame<'_>,
) {
    let area = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), settings);
    if is_too_small(area.as_size()) {
        canvas.too_small(area, MIN_SIZE);
        return;
    }
    let theme = canvas.theme;
    let title =
        vec![(" asynctop compare".to_owned(), theme.title()), (format!("  {TITLE}"), theme.dim())];
    let far = format!(" {} of {} measured ", comparison.rows.len(), comparison.plan.len());
    let left = canvas.line(0, 0, area.width.saturating_sub(far.len() as u16), &title);
    canvas.line_right(left, 0, area.width, &vec![(far, theme.title())]);
    canvas.line(0, 1, area.width, &vec![(head(area.width), theme.title())]);
    let lines = lines(comparison, theme, area.width, now);
    for (line, y) in lines.iter().skip(comparison.top).zip(2..area.height - 1) {
        canvas.line(0, y, area.width, line);
    }
    canvas.line(0, area.height - 1, area.width, &footer(comparison, theme));
}

fn head(width: u16) -> String {
    format!(" CONNECTIONS  {:<7}{}", "STYLE", columns(compare::COLUMNS, width))
}

/// The columns that fit. The last ones are dropped first.
fn columns<T: Display>(cells: [T; 7], width: u16) -> String {
    let mut left = usize::from(width).saturating_sub(FIRST_COLUMNS);
    let fits = |wide: &usize| {
        let fits = *wide <= left;
        left -= if fits { *wide } else { left };
        fits
    };
    let columns = cells.into_iter().zip(WIDTHS.into_iter().take_while(fits));
    columns.map(|(cell, wide)| format!("{cell:>wide$}")).collect()
}

fn footer(comparison: &Comparison, theme: Theme) -> Spans {
    let state = if comparison.is_done { "all measured  " } else { "" };
    vec![
        (format!(" {state}"), theme.good()),
        ("q".to_owned(), theme.key()),
        (" quit and print the table  ".to_owned(), Style::new()),
        ("j k".to_owned(), theme.key()),
        (" scroll".to_owned(), Style::new()),
    ]
}

fn lines(comparison: &Comparison, theme: Theme, width: u16, now: Duration) -> Vec<Spans> {
    let mut lines = Vec::new();
    for (at, (connections, style)) in comparison.plan.iter().enumerate() {
        let first = at.is_multiple_of(2);
        let connections = if first { connections.to_string() } else { String::new() };
        let start = format!(" {connections:>11}  {:<7}", style.as_str());
        let mut line = vec![(start, theme.title())];
        line.push(match comparison.rows.get(at) {
            Some(Row { outcome: Ok(measured), .. }) => {
                (columns(compare::cells(measured), width), Style::new())
            }
            Some(Row { outcome: Err(error), .. }) => {
                (format!("  not measured: {error}"), theme.warning())
            }
            None if at == comparison.rows.len() && comparison.began.is_some() => {
                let bar = bar(theme, comparison.row_progress(now), usize::from(width / 6).max(4));
                (format!("  {bar} measuring"), theme.busy())
            }
            None => ("  pending".to_owned(), theme.dim()),
        });
        lines.push(line);
        if !first {
            lines.extend(ratios(comparison, at, theme, width));
            lines.push(Spans::new());
        }
    }
    lines
}

/// The statistics in which threads or async are better, once both rows of a pair are measured.
fn ratios(comparison: &Comparison, at: usize, theme: Theme, width: u16) -> Option<Spans> {
    let of = |at: usize| comparison.rows.get(at)?.outcome.as_ref().ok();
    let ratios = compare::ratios(of(at - 1)?, of(at)?);
    let mut line = vec![(format!(" {:11}  better ", ""), theme.dim())];
    for (statistic, ratio) in ratios {
        let times = theme.glyph("×", "x");
        let (better, style) = match ratio {
            r if r > 1.1 => (format!("async {times}{r:.1}"), theme.good()),
            r if r < 1.0 / 1.1 => (format!("threads {times}{:.1}", 1.0 / r), theme.busy()),
            _ => ("even".to_owned(), theme.dim()),
        };
        let spans = [(format!(" {statistic} "), theme.dim()), (format!("{better} "), style)];
        let wide = |spans: &[(String, Style)]| spans.iter().map(|(text, _)| text.width()).sum();
        let (so_far, more): (usize, usize) = (wide(&line), wide(&spans));
        if so_far + more <= usize::from(width) {
            line.extend(spans);
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::{Terminal, backend::TestBackend, layout::Size};

    use super::*;
    use crate::app::ThemeName;
    use asynctop_lab::compare::{MeasureError, Measurement, Options, Progress};

    const ROW: Duration = Duration::from_millis(2500);

    fn measured(scale: f64, threads: u64) -> Result<Measurement, MeasureError> {
        Ok(Measurement {
            requests_per_second: 60_000.0 * scale,
            p50_ns: (1_300_000.0 / scale) as u64,
            p99_ns: (6_100_000.0 * scale) as u64,
            threads: Some(threads),
            memory_bytes: Some(4_900_000 + threads * 27_000),
            switches_per_request: Some(0.32 * scale),
            cpu_ns_per_request: None,
        })
    }

    /// Three pairs: the first is measured, the second is being measured.
    fn comparison() -> Comparison {
        let options =
            Options { connections: vec![100, 1_000, 40_000], duration: Duration::from_secs(2) };
        let mut comparison = Comparison::new(&options);
        let error =
            MeasureError::Limit(asynctop_lab::LimitTooLow::Files { needed: 1_064, limit: 1_024 });
        let outcomes = [measured(1.2, 101), measured(1.0, 1), Err(error)];
        for (outcome, (connections, style)) in outcomes.into_iter().zip(comparison.plan.clone()) {
            comparison.advance(Progress::Started, Duration::ZERO);
            comparison.advance(Progress::Row(Row { connections, style, outcome }), ROW);
        }
        comparison.advance(Progress::Started, ROW);
        comparison
    }

    fn screen(comparison: &Comparison, settings: Settings, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        let draw =
            |frame: &mut Frame<'_>| render_comparison(comparison, settings, 2 * ROW * 3 / 4, frame);
        terminal.draw(draw).expect("drawn");
        let text = terminal.backend().to_string();
        let line = |line: &str| line.trim_matches('"').trim_end().to_owned() + "\n";
        text.lines().map(line).collect()
    }

    #[test]
    fn comparison_shows_its_progress() {
        let (comparison, usual) = (comparison(), Settings::default());
        insta::assert_snapshot!("board_120x24", screen(&comparison, usual, (120, 24)));
        insta::assert_snapshot!("board_80x24", screen(&comparison, usual, (80, 24)));
        let plain = Settings { theme: ThemeName::Mono, ascii: true, ..Settings::default() };
        insta::assert_snapshot!("board_ascii_60x15", screen(&comparison, plain, (60, 15)));
    }

    #[test]
    fn comparison_can_be_drawn_and_scrolled_at_every_size() {
        let mut comparison = comparison();
        for (width, height) in [(1, 1), (23, 4), (24, 4), (30, 5), (300, 100)] {
            comparison.top = comparison_scroll_limit(&comparison, width, height);
            let text = screen(&comparison, Settings::default(), (width, height));
            let is_small = is_too_small(Size::new(width, height));
            assert!(is_small || text.contains("async") || text.contains("threads"), "{text}");
        }
    }
}

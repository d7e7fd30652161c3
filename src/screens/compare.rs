//! The screen of `asynctop compare`: threads and async side by side, while they are measured.
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
    MIN, is_too_small,
    theme::Look,
    widgets::{
        bars::bar,
        canvas::{Canvas, Pieces},
    },
};
use crate::app::{Board, Settings};

const TITLE: &str = "one service: a thread per connection, or async on one thread";
/// As wide as the titles, and as the figures below them can be.
const WIDTHS: [usize; 7] = [9, 11, 12, 10, 10, 14, 11];
/// The connections and the style in front of them.
const BESIDES: usize = 21;

/// How far the lines can be scrolled in a terminal of this size.
pub fn board_scroll_limit(board: &Board, width: u16, height: u16) -> usize {
    let look = Look::new(Settings::default());
    let room = usize::from(height.saturating_sub(3));
    lines(board, look, width, Duration::ZERO).len().saturating_sub(room)
}

/// Draws the comparison as it stands at `now`.
pub fn render_board(board: &Board, settings: Settings, now: Duration, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), settings);
    if is_too_small(area.width, area.height) {
        canvas.too_small(area, MIN);
        return;
    }
    let look = canvas.look;
    let title =
        vec![(" asynctop compare".to_owned(), look.title()), (format!("  {TITLE}"), look.dim())];
    let far = format!(" {} of {} measured ", board.rows.len(), board.plan.len());
    let left = canvas.line(0, 0, area.width.saturating_sub(far.len() as u16), &title);
    canvas.line_right(left, 0, area.width, &vec![(far, look.title())]);
    canvas.line(0, 1, area.width, &vec![(head(area.width), look.title())]);
    let lines = lines(board, look, area.width, now);
    for (line, y) in lines.iter().skip(board.top).zip(2..area.height - 1) {
        canvas.line(0, y, area.width, line);
    }
    canvas.line(0, area.height - 1, area.width, &footer(board, look));
}

fn head(width: u16) -> String {
    format!(" CONNECTIONS  {:<7}{}", "STYLE", columns(compare::HEAD, width))
}

/// The columns that there is room for, those to the right left out.
fn columns<T: Display>(cells: [T; 7], width: u16) -> String {
    let mut left = usize::from(width).saturating_sub(BESIDES);
    let fits = |wide: &usize| {
        let fits = *wide <= left;
        left -= if fits { *wide } else { left };
        fits
    };
    let columns = cells.into_iter().zip(WIDTHS.into_iter().take_while(fits));
    columns.map(|(cell, wide)| format!("{cell:>wide$}")).collect()
}

fn footer(board: &Board, look: Look) -> Pieces {
    let state = if board.done { "all measured  " } else { "" };
    vec![
        (format!(" {state}"), look.good()),
        ("q".to_owned(), look.key()),
        (" quit and print the table  ".to_owned(), Style::new()),
        ("j k".to_owned(), look.key()),
        (" scroll".to_owned(), Style::new()),
    ]
}

fn lines(board: &Board, look: Look, width: u16, now: Duration) -> Vec<Pieces> {
    let mut lines = Vec::new();
    for (at, (connections, style)) in board.plan.iter().enumerate() {
        let first = at.is_multiple_of(2);
        let connections = if first { connections.to_string() } else { String::new() };
        let start = format!(" {connections:>11}  {:<7}", style.as_str());
        let mut line = vec![(start, look.title())];
        line.push(match board.rows.get(at) {
            Some(Row { outcome: Ok(measured), .. }) => {
                (columns(compare::cells(measured), width), Style::new())
            }
            Some(Row { outcome: Err(refusal), .. }) => {
                (format!("  not measured: {refusal}"), look.warning())
            }
            None if at == board.rows.len() && board.began.is_some() => {
                let bar = bar(look, board.share(now), usize::from(width / 6).max(4));
                (format!("  {bar} measuring"), look.busy())
            }
            None => ("  pending".to_owned(), look.dim()),
        });
        lines.push(line);
        if !first {
            lines.extend(verdict(board, at, look, width));
            lines.push(Pieces::new());
        }
    }
    lines
}

/// Who did better in what, once both rows of a pair are there.
fn verdict(board: &Board, at: usize, look: Look, width: u16) -> Option<Pieces> {
    let of = |at: usize| board.rows.get(at)?.outcome.as_ref().ok();
    let better = compare::better(of(at - 1)?, of(at)?);
    let mut line = vec![(format!(" {:11}  better ", ""), look.dim())];
    for (what, ratio) in better {
        let times = look.glyph("×", "x");
        let (who, style) = match ratio {
            r if r > 1.1 => (format!("async {times}{r:.1}"), look.good()),
            r if r < 1.0 / 1.1 => (format!("threads {times}{:.1}", 1.0 / r), look.busy()),
            _ => ("even".to_owned(), look.dim()),
        };
        let pieces = [(format!(" {what} "), look.dim()), (format!("{who} "), style)];
        let wide = |pieces: &[(String, Style)]| pieces.iter().map(|(text, _)| text.width()).sum();
        let (so_far, more): (usize, usize) = (wide(&line), wide(&pieces));
        if so_far + more <= usize::from(width) {
            line.extend(pieces);
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::app::Theme;
    use asynctop_lab::compare::{Measured, Options, Progress, Refusal};

    const ROW: Duration = Duration::from_millis(2500);

    fn measured(scale: f64, threads: u64) -> Result<Measured, Refusal> {
        Ok(Measured {
            requests_per_second: 60_000.0 * scale,
            p50_ns: (1_300_000.0 / scale) as u64,
            p99_ns: (6_100_000.0 * scale) as u64,
            threads: Some(threads),
            memory_bytes: Some(4_900_000 + threads * 27_000),
            switches_per_request: Some(0.32 * scale),
            cpu_ns_per_request: None,
        })
    }

    /// Three pairs: one is measured, one in the middle of it, one waits.
    fn board() -> Board {
        let options =
            Options { connections: vec![100, 1_000, 40_000], duration: Duration::from_secs(2) };
        let mut board = Board::new(&options);
        let refusal = Refusal::Limit(asynctop_lab::TooLow::Files { wanted: 1_064, limit: 1_024 });
        let outcomes = [measured(1.2, 101), measured(1.0, 1), Err(refusal)];
        for (outcome, (connections, style)) in outcomes.into_iter().zip(board.plan.clone()) {
            board.advance(Progress::Begins, Duration::ZERO);
            board.advance(Progress::Row(Row { connections, style, outcome }), ROW);
        }
        board.advance(Progress::Begins, ROW);
        board
    }

    fn screen(board: &Board, settings: Settings, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        let draw = |frame: &mut Frame<'_>| render_board(board, settings, 2 * ROW * 3 / 4, frame);
        terminal.draw(draw).expect("drawn");
        let text = terminal.backend().to_string();
        let line = |line: &str| line.trim_matches('"').trim_end().to_owned() + "\n";
        text.lines().map(line).collect()
    }

    #[test]
    fn the_comparison_as_it_goes_on() {
        let (board, usual) = (board(), Settings::default());
        insta::assert_snapshot!("board_120x24", screen(&board, usual, (120, 24)));
        insta::assert_snapshot!("board_80x24", screen(&board, usual, (80, 24)));
        let plain = Settings { theme: Theme::Mono, ascii: true };
        insta::assert_snapshot!("board_ascii_60x15", screen(&board, plain, (60, 15)));
    }

    #[test]
    fn every_size_can_be_drawn_and_the_end_reached() {
        let mut board = board();
        for (width, height) in [(1, 1), (23, 4), (24, 4), (30, 5), (300, 100)] {
            board.top = board_scroll_limit(&board, width, height);
            let text = screen(&board, Settings::default(), (width, height));
            let is_small = is_too_small(width, height);
            assert!(is_small || text.contains("async") || text.contains("threads"), "{text}");
        }
    }
}

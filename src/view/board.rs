//! Threads against async, as it is measured.
//!
//! ```text
//!  asynctop compare  the same service: a thread for each connection, or async on one thread     3 of 6
//!  CONNECTIONS  STYLE    THREADS     MEMORY  REQUESTS/S       P50       P99  SWITCHES/REQ    CPU/REQ
//!          100  threads      101     7.6 MB       71792     1.3ms     2.7ms          1.09     15.5µs
//!               async          1     4.9 MB       59023     1.6ms     6.1ms          0.32      7.4µs
//!               better   throughput threads ×1.2, p99 latency threads ×2.3, memory async ×1.6
//!         1000  threads  ████▌░░░░░ measuring
//!               async    waits
//!  q quit, the table stays
//! ```

use std::time::Duration;

use ratatui::{Frame, style::Style};

use super::{
    MIN,
    bars::bar,
    canvas::{Canvas, Pieces},
    is_too_small,
    theme::Look,
};
use crate::{
    app::{Board, Settings},
    compare::{self, Measured, Row},
};

const TITLE: &str = "the same service: a thread for each connection, or async on one thread";
/// As wide as the titles, and as the figures below them can be.
const WIDTHS: [usize; 7] = [9, 11, 12, 10, 10, 14, 11];

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
    canvas.line(0, 1, area.width, &vec![(head(), look.title())]);
    let lines = lines(board, look, area.width, now);
    for (line, y) in lines.iter().skip(board.top).zip(2..area.height - 1) {
        canvas.line(0, y, area.width, line);
    }
    canvas.line(0, area.height - 1, area.width, &footer(board, look));
}

fn head() -> String {
    let columns = compare::HEAD.iter().zip(WIDTHS);
    let columns: String = columns.map(|(title, width)| format!("{title:>width$}")).collect();
    format!(" CONNECTIONS  {:<7}{columns}", "STYLE")
}

fn footer(board: &Board, look: Look) -> Pieces {
    let state = if board.done { "all measured  " } else { "" };
    vec![
        (format!(" {state}"), look.good()),
        ("q".to_owned(), look.key()),
        (" quit, the table stays  ".to_owned(), Style::new()),
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
            Some(Row { outcome: Ok(measured), .. }) => (figures(measured), Style::new()),
            Some(Row { outcome: Err(refusal), .. }) => {
                (format!("  not measured: {refusal}"), look.warning())
            }
            None if at == board.rows.len() && board.began.is_some() => {
                let bar = bar(look, board.share(now), usize::from(width / 6).max(4));
                (format!("  {bar} is measured"), look.busy())
            }
            None => ("  waits".to_owned(), look.dim()),
        });
        lines.push(line);
        if !first {
            lines.extend(verdict(board, at, look));
            lines.push(Pieces::new());
        }
    }
    lines
}

fn figures(measured: &Measured) -> String {
    let cells = compare::cells(measured);
    cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:>width$}")).collect()
}

/// Who did better in what, once both rows of a pair are there.
fn verdict(board: &Board, at: usize, look: Look) -> Option<Pieces> {
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
        line.push((format!(" {what} "), look.dim()));
        line.push((format!("{who} "), style));
    }
    Some(line)
}

//! One worker's worker_bar: bars of how busy it was, and below them whose polls they were.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::LABEL;
use crate::{
    app::App,
    model::{BarCell, Coverage, Timeline, WorkerBar},
    screens::{
        theme::Look,
        widgets::{bars::level, canvas::Canvas},
    },
};

pub(super) fn draw(
    app: &App,
    canvas: &mut Canvas<'_>,
    area: Rect,
    worker: usize,
    worker_bar: &WorkerBar,
) {
    let look = canvas.look;
    // With room for it, a blank line keeps the workers apart.
    let lines = if area.height > 3 { area.height - 1 } else { area.height };
    let bars = lines - 1;
    let x = area.x + LABEL;
    for row in 0..bars {
        let bar = |cell: &BarCell| (bar(look, cell, bars - 1 - row, bars), style(look, cell));
        put(canvas, x, area.y + row, worker_bar.cells.iter().map(bar));
    }
    let letters = letters(app.polls(), look, worker_bar, bars == 0);
    put(canvas, x, area.y + bars, letters.into_iter());

    canvas.put(area.x, area.y, LABEL, &format!(" w{worker}"), look.title());
    let selected = app.workers.key() == Some(&worker);
    if selected {
        canvas.highlight(Rect::new(area.x, area.y, LABEL - 1, 1), look.selected());
    }
    let column = app.timeline.cursor_column(app.polls(), worker_bar.cells.len());
    if let (true, Some(column)) = (worker == app.timeline_worker(), column) {
        let cursor = Rect::new(x + column as u16, area.y, 1, lines);
        canvas.highlight(cursor, look.selected());
    }
}

/// Writes one character for each cell, in as few pieces as there are styles in a row.
fn put(canvas: &mut Canvas<'_>, x: u16, y: u16, cells: impl Iterator<Item = (char, Style)>) {
    let (mut at, mut text, mut style) = (x, String::new(), Style::new());
    for (sign, of_sign) in cells {
        if of_sign != style && !text.is_empty() {
            at += canvas.put(at, y, u16::MAX, &text, style);
            text.clear();
        }
        style = of_sign;
        text.push(sign);
    }
    canvas.put(at, y, u16::MAX, &text, style);
}

fn style(look: Look, cell: &BarCell) -> Style {
    cell.group.map_or(Style::new(), |group| look.group(group))
}

/// The part of a cell's bar that is in this row, counted from below.
fn bar(look: Look, cell: &BarCell, row: u16, rows: u16) -> char {
    let eighths = (f64::from(cell.busy) * f64::from(rows) * 8.0).round() as i64;
    // A little is not nothing.
    let eighths = if row == 0 && cell.busy > 0.0 { eighths.max(1) } else { eighths };
    level(look, (eighths - i64::from(row) * 8).clamp(0, 8) as usize)
}

/// Whose polls each column shows: a letter, or along a poll that lasts for several columns
/// its task's name.
fn letters(
    timeline: &Timeline,
    look: Look,
    worker_bar: &WorkerBar,
    alone: bool,
) -> Vec<(char, Style)> {
    let mut letters: Vec<_> =
        worker_bar.cells.iter().map(|cell| letter(timeline, look, cell)).collect();
    // Without bars above it, the line along the poll is the bar.
    let line = match (alone, look.ascii) {
        (true, false) => '█',
        (true, true) => '#',
        (false, false) => '─',
        (false, true) => '-',
    };
    let mut begin = 0;
    for part in worker_bar.cells.chunk_by(|a, b| a.poll.is_some() && a.poll == b.poll) {
        let end = begin + part.len();
        if let (2.., Some((key, _))) = (part.len(), part[0].poll) {
            let style = style(look, &part[0]);
            let mut name = label(timeline, key, part).chars().collect::<Vec<_>>().into_iter();
            for place in &mut letters[begin..end] {
                *place = (name.next().unwrap_or(line), style);
            }
        }
        begin = end;
    }
    letters
}

fn letter(timeline: &Timeline, look: Look, cell: &BarCell) -> (char, Style) {
    let letter = |group: u16| timeline.groups().get(usize::from(group)).map_or('?', |g| g.letter);
    match (cell.coverage, cell.group) {
        (Coverage::Missing, _) => (if look.ascii { '.' } else { '·' }, look.dim()),
        (_, None) => (' ', Style::new()),
        (_, Some(group)) => (letter(group), style(look, cell)),
    }
}

/// What fits along a poll: its task's name, its group's letter with its number, or the
/// letter alone.
fn label(timeline: &Timeline, key: u64, part: &[BarCell]) -> String {
    let group = part[0].group.and_then(|group| timeline.groups().get(usize::from(group)));
    let letter = group.map_or('?', |group| group.letter);
    let Some(meta) = timeline.task(key) else { return letter.to_string() };
    let name: &str = &meta.name;
    let plain = name.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    // One column stays, so that one can see where the next one begins.
    if plain && name.width() < part.len() {
        return name.to_owned();
    }
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let number = &name[name.len() - digits..];
    if number.len() < part.len() { format!("{letter}{number}") } else { letter.to_string() }
}

//! The track of one worker: bars of its busy share and, below them, the groups that it polled.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use crate::{
    app::App,
    model::{BarCell, Coverage, Timeline, WorkerBar},
    screens::{
        theme::Theme,
        widgets::{bars::level, canvas::Canvas},
    },
};

pub(super) fn draw(
    app: &App,
    canvas: &mut Canvas<'_>,
    area: Rect,
    label: u16,
    worker: usize,
    worker_bar: &WorkerBar,
) {
    let theme = canvas.theme;
    // If there is room, a blank line separates the workers.
    let lines =
        if area.height > 3 && app.polls().workers() > 1 { area.height - 1 } else { area.height };
    let bars = lines - 1;
    let x = area.x + label;
    for row in 0..bars {
        let bar = |cell: &BarCell| (bar(theme, cell, bars - 1 - row, bars), style(theme, cell));
        put(canvas, x, area.y + row, worker_bar.cells.iter().map(bar));
    }
    let letters = letters(app.polls(), theme, worker_bar, bars == 0);
    put(canvas, x, area.y + bars, letters.into_iter());

    if label >= 10 && bars >= 2 {
        let mut tick = |row: u16, text: &str| {
            canvas.put_right(area.x, area.y + row, label - 1, text, theme.dim());
        };
        tick(0, "100%");
        if bars >= 5 {
            tick(bars / 2, "50%");
        }
    }
    canvas.put(area.x, area.y, 5, &format!(" w{worker}"), theme.title());
    if worker == app.timeline_worker() {
        canvas.highlight(Rect::new(area.x, area.y, 4, 1), theme.selected());
    }
    let column = app.timeline.cursor_column(app.polls(), worker_bar.cells.len());
    if let (true, Some(column)) = (worker == app.timeline_worker(), column) {
        let cursor = Rect::new(x + column as u16, area.y, 1, lines);
        canvas.highlight(cursor, theme.selected());
    }
    if let Some((first, last)) = app.timeline.dragged() {
        let dragged = Rect::new(x + first as u16, area.y, (last - first) as u16 + 1, lines);
        canvas.highlight(dragged, theme.selected());
    }
}

/// Writes one character per cell. Adjacent cells of one style are written together.
fn put(canvas: &mut Canvas<'_>, x: u16, y: u16, cells: impl Iterator<Item = (char, Style)>) {
    let (mut at, mut text, mut style) = (x, String::new(), Style::new());
    for (c, of_cell) in cells {
        if of_cell != style && !text.is_empty() {
            at += canvas.put(at, y, u16::MAX, &text, style);
            text.clear();
        }
        style = of_cell;
        text.push(c);
    }
    canvas.put(at, y, u16::MAX, &text, style);
}

fn style(theme: Theme, cell: &BarCell) -> Style {
    match cell.group {
        Some(group) if cell.in_scope => theme.group(group),
        Some(_) => theme.dim(),
        None => Style::new(),
    }
}

/// The part of a cell's bar in a row, counted from below.
fn bar(theme: Theme, cell: &BarCell, row: u16, rows: u16) -> char {
    let eighths = (f64::from(cell.busy) * f64::from(rows) * 8.0).round() as i64;
    // A small share is visible.
    let eighths = if row == 0 && cell.busy > 0.0 { eighths.max(1) } else { eighths };
    level(theme, (eighths - i64::from(row) * 8).clamp(0, 8) as usize)
}

/// The letter of each column's group or, along a poll over several columns, the name of its task.
fn letters(
    timeline: &Timeline,
    theme: Theme,
    worker_bar: &WorkerBar,
    alone: bool,
) -> Vec<(char, Style)> {
    let mut letters: Vec<_> =
        worker_bar.cells.iter().map(|cell| letter(timeline, theme, cell)).collect();
    // Without bars above, the line along the poll is the bar.
    let line = match (alone, theme.ascii) {
        (true, false) => '█',
        (true, true) => '#',
        (false, false) => '─',
        (false, true) => '-',
    };
    let mut begin = 0;
    for part in worker_bar.cells.chunk_by(|a, b| a.poll.is_some() && a.poll == b.poll) {
        let end = begin + part.len();
        if let (2.., Some((key, _))) = (part.len(), part[0].poll) {
            let style = style(theme, &part[0]);
            let mut name = label(timeline, key, part).chars().collect::<Vec<_>>().into_iter();
            for place in &mut letters[begin..end] {
                *place = (name.next().unwrap_or(line), style);
            }
        }
        begin = end;
    }
    letters
}

fn letter(timeline: &Timeline, theme: Theme, cell: &BarCell) -> (char, Style) {
    let letter = |group: u16| timeline.groups().get(usize::from(group)).map_or('?', |g| g.letter);
    match (cell.coverage, cell.group) {
        (Coverage::Missing, _) => (if theme.ascii { '~' } else { '╌' }, theme.dim()),
        (_, None) => (' ', Style::new()),
        (_, Some(group)) => (letter(group), style(theme, cell)),
    }
}

/// The longest label that fits along a poll: the name of the task, the letter of its group with the
/// number of the task, or the letter.
fn label(timeline: &Timeline, key: u64, part: &[BarCell]) -> String {
    let group = part[0].group.and_then(|group| timeline.groups().get(usize::from(group)));
    let letter = group.map_or('?', |group| group.letter);
    let Some(meta) = timeline.task(key) else { return letter.to_string() };
    let name: &str = &meta.name;
    let is_plain = name.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    // One column is left free, to separate it from the next poll.
    if is_plain && name.width() < part.len() {
        return name.to_owned();
    }
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let number = &name[name.len() - digits..];
    if number.len() < part.len() { format!("{letter}{number}") } else { letter.to_string() }
}

//! The longest polls in view. The keys and the mouse select one, which moves the cursor to it.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::axis::label;
use crate::{
    app::{App, HitTarget},
    model::{LongPollEntry, TimelinePoll},
    screens::widgets::canvas::{Canvas, Spans},
    text::{duration, file_and_folder, plural},
};

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect, (from, to): (u64, u64)) {
    let theme = canvas.theme;
    let polls = app.longest_polls();
    let selected = app.selected_poll(&polls);
    let of = app.pin().map(|pin| format!("of {} ", pin.name())).unwrap_or_default();
    let title: Spans = vec![
        (format!(" longest polls {of}in view"), theme.title()),
        (format!("  {} below the last worker, or a click", theme.glyph("↓", "j")), theme.dim()),
    ];
    canvas.line(area.x, area.y, area.right(), &title);
    let rows = area.top() + 1..area.bottom();
    let visible = polls.iter().take(rows.len());
    let names = visible.map(|(_, poll)| name(app, poll).width()).max().unwrap_or(0);
    for ((position, (worker, poll)), y) in polls.iter().enumerate().zip(rows) {
        let is_selected = selected == Some(position);
        let line = line(app, canvas, *worker, poll, (to - from, names), is_selected);
        canvas.line(area.x, y, area.right(), &line);
        let row = Rect { y, height: 1, ..area };
        canvas.on_click(row, HitTarget::Poll(position));
        if selected == Some(position) {
            canvas.highlight(row, theme.selected());
        }
    }
}

fn name<'a>(app: &'a App, poll: &TimelinePoll) -> &'a str {
    app.polls().task(poll.key).map_or("a task that has ended", |meta| &meta.name)
}

fn line(
    app: &App,
    canvas: &Canvas<'_>,
    worker: usize,
    poll: &TimelinePoll,
    (span_ns, names): (u64, usize),
    is_selected: bool,
) -> Spans {
    let (theme, timeline) = (canvas.theme, app.polls());
    let mark = if is_selected { theme.glyph("▸", ">") } else { " " };
    let back = label(timeline.now_ns().saturating_sub(poll.began), span_ns / 1_000);
    let length = poll.ended.saturating_sub(poll.began);
    let style = theme.length(app.model().thresholds(), length, Style::new());
    let mut spans = vec![
        (format!(" {mark} {back:>9}"), Style::new()),
        (format!("  {:>7}", duration(length)), style),
        (format!("  w{worker:<3}"), Style::new()),
        (format!("{:<names$}", name(app, poll)), theme.group(poll.group).patch(theme.title())),
    ];
    let entries = app.selected().map(|model| model.impact_table());
    let same = |entry: &&LongPollEntry| {
        (entry.evidence.task, entry.evidence.began_ns) == (poll.key, poll.began)
    };
    let Some(entry) = entries.and_then(|table| table.entries().find(same)) else { return spans };
    let evidence = &entry.evidence;
    let cause = evidence.function().map_or_else(|| evidence.cause.to_string(), str::to_owned);
    spans.push((format!("  {cause}"), Style::new()));
    if let Some(place) = evidence.blocked_at() {
        spans.push((format!("  {}", file_and_folder(place)), theme.dim()));
    }
    if let Some(impact) = evidence.impact.as_ref().filter(|impact| impact.tasks > 0) {
        let tasks = plural(impact.tasks as u64, "task");
        let seconds = theme.task_seconds(impact.accuracy, impact.total_ns);
        let text = format!("  {tasks} delayed, {seconds} task-s");
        spans.push((text, theme.warning()));
    }
    spans
}

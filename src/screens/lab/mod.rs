//! The lab: what runs, how much of it, the hog, what was tried, and the lesson. Where it
//! is longer than the screen, PgDn shows the rest.

mod hog;
mod lesson;
mod trials;
mod workloads;

use ratatui::{layout::Rect, style::Style};

use super::{
    theme::Look,
    widgets::canvas::{Canvas, Pieces},
};
use crate::{
    app::App,
    snapshot::ConsoleStats,
    text::{duration, wrap},
};

pub(super) use workloads::count as workloads;

/// A line, and whether it is the selected one.
type Line = (Pieces, bool);

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    let lines = lines(app, look, area.width);
    if lines.is_empty() {
        let text = " no lab: this target is another program";
        canvas.clear(Rect { height: 1, ..area });
        canvas.put(area.x, area.y, area.width, text, look.dim());
        return;
    }
    let shown = lines.iter().skip(app.lab_scroll);
    for ((pieces, selected), y) in shown.zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), pieces);
        if *selected {
            canvas.highlight(Rect::new(area.x, y, area.width, 1), look.selected());
        }
    }
    let below = lines.len().saturating_sub(app.lab_scroll + usize::from(area.height));
    if below > 0 && area.height > 1 {
        // In place of the last line that would be seen, which is one of them.
        let more = format!(" {} {} more lines: PgDn", look.glyph("▼", "v"), below + 1);
        let last = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        canvas.clear(last);
        canvas.put(last.x, last.y, last.width, &more, look.dim());
    }
}

/// All lines, however many are seen; none without a lab.
pub(super) fn lines(app: &App, look: Look, width: u16) -> Vec<Line> {
    let Some(model) = app.selected() else { return Vec::new() };
    let Some(lab) = &model.target().lab else { return Vec::new() };
    // Long lines are hard to read.
    let room = usize::from(width).saturating_sub(2).min(92);
    let mut lines = workloads::lines(app, lab, model.slowdown(), look, room);
    let mut add = |part: Vec<Pieces>| lines.extend(part.into_iter().map(|line| (line, false)));
    add(vec![Pieces::new()]);
    add(hog::lines(&lab.hog, look, room));
    add(lab.console.iter().flat_map(|served| console(served, look, room)).collect());
    add(vec![Pieces::new()]);
    add(trials::lines(model.trials(), look, width));
    add(lesson::lines(&lab.lesson, look, room));
    lines
}

/// A text in as many lines as it takes.
fn paragraph(text: &str, style: Style, room: usize) -> Vec<Pieces> {
    wrap(text, room).into_iter().map(|line| vec![(format!(" {line}"), style)]).collect()
}

fn console(served: &ConsoleStats, look: Look, room: usize) -> Vec<Pieces> {
    let ConsoleStats { address, added_ns_per_poll, ended } = served;
    let text = match ended {
        Some(why) => format!("the server for tokio-console has stopped: {why}"),
        None => format!(
            "tokio-console http://{address} shows these tasks too; console-subscriber adds {} to \
             each poll, included in all busy and scheduled times",
            duration(*added_ns_per_poll),
        ),
    };
    paragraph(&text, look.warning(), room)
}

//! The lab: workloads, hog, trials and lesson, as lines that can be scrolled.

mod hog;
mod lesson;
mod trials;
mod workloads;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{layout::Rect, style::Style};

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        canvas::{Canvas, Spans},
        table,
    },
};
use crate::{
    app::{Action, App, List, ScreenId, ScreenKey, ScreenSpec, Viewport, keymap::Binding},
    snapshot::{ConsoleStats, FieldId, LabCommand},
    text::{duration, wrap},
};

pub(super) const ID: ScreenId = ScreenId("lab");

pub(super) const SCREEN: ScreenEntry = ScreenEntry {
    spec: ScreenSpec {
        id: ID,
        binding: Binding {
            keys: &[(KeyModifiers::NONE, KeyCode::Char('6'))],
            label: "6",
            action: Action::Show(ID),
            short: "Lab",
            help: "lab: scenario, workloads and hog",
        },
        list: List::Workloads,
        needs: Some(FieldId::Lab),
        keys: &[
            ScreenKey::new(Action::Left, Action::Lab(LabCommand::PreviousHogKind)),
            ScreenKey::new(Action::Right, Action::Lab(LabCommand::NextHogKind)),
            ScreenKey::new(Action::Raise, Action::Raise).in_footer("more", 3),
            ScreenKey::new(Action::Lower, Action::Lower).in_footer("fewer", 3),
            ScreenKey::new(Action::Pause, Action::Pause).in_footer("pause", 8),
            ScreenKey::new(Action::Restart, Action::Restart).in_footer("restart", 8),
        ],
        subscribe: |_| {},
        open: |_| Err("+ - p r change the selected workload; its tasks are on screens 1 and 2"),
    },
    title: |app, theme| {
        let scenario = app.lab_stats().map(|lab| format!(" {}", lab.scenario));
        vec![(format!(" Lab{}", scenario.unwrap_or_default()), theme.title())]
    },
    viewport: |app, size| {
        let lines = lines(app, Theme::new(app.settings), size.width).len();
        let rows = usize::from(size.height);
        Viewport { scroll_limit: lines.saturating_sub(rows), ..Viewport::with_rows(rows) }
    },
    draw,
};

/// A line, and the position of its workload.
type Line = (Spans, Option<usize>);

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    let lines = lines(app, theme, area.width);
    if lines.is_empty() {
        let text = " no lab: this target is another program";
        canvas.clear(Rect { height: 1, ..area });
        canvas.put(area.x, area.y, area.width, text, theme.dim());
        return;
    }
    let scroll = app.screen().scroll;
    for ((spans, workload), y) in lines.iter().skip(scroll).zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), spans);
        if let Some(workload) = workload {
            table::finish_row(app, canvas, area, *workload, y);
        }
    }
    let below = lines.len().saturating_sub(scroll + usize::from(area.height));
    if below > 0 && area.height > 1 {
        // It replaces the last visible line, which counts as one of them.
        let more = format!(" {} {} more lines: PgDn", theme.glyph("▼", "v"), below + 1);
        let last = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        canvas.clear(last);
        canvas.put(last.x, last.y, last.width, &more, theme.dim());
    }
}

/// All lines; none without a lab.
fn lines(app: &App, theme: Theme, width: u16) -> Vec<Line> {
    let Some(model) = app.selected() else { return Vec::new() };
    let Some(lab) = &model.target().lab else { return Vec::new() };
    // Long lines are hard to read.
    let room = usize::from(width).saturating_sub(2).min(92);
    let mut lines = workloads::lines(lab, model.slowdown(), theme, room);
    let mut add = |part: Vec<Spans>| lines.extend(part.into_iter().map(|line| (line, None)));
    add(vec![Spans::new()]);
    add(hog::lines(&lab.hog, theme, room));
    add(lab.console.iter().flat_map(|served| console(served, theme, room)).collect());
    add(vec![Spans::new()]);
    add(trials::lines(model.trials(), theme, width));
    add(lesson::lines(&lab.lesson, theme, room));
    lines
}

/// A wrapped text.
fn paragraph(text: &str, style: Style, room: usize) -> Vec<Spans> {
    wrap(text, room).into_iter().map(|line| vec![(format!(" {line}"), style)]).collect()
}

fn console(served: &ConsoleStats, theme: Theme, room: usize) -> Vec<Spans> {
    let ConsoleStats { address, added_ns_per_poll, ended } = served;
    let text = match ended {
        Some(why) => format!("the server for tokio-console has stopped: {why}"),
        None => format!(
            "tokio-console http://{address} shows these tasks too; console-subscriber adds {} to \
             each poll, included in all busy and scheduled times",
            duration(*added_ns_per_poll),
        ),
    };
    paragraph(&text, theme.warning(), room)
}

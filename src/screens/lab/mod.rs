//! The lab: workloads, hog, trials and lesson, as lines that can be scrolled. On a wide screen the
//! lesson is to the right of workloads and hog, and the trials are below both.

mod hog;
mod lesson;
mod trials;
mod workloads;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        canvas::{Canvas, Spans, paragraph},
        columns::{self, beside, width_of},
        table,
    },
};
use crate::{
    app::{
        Action, App, HitTarget, List, Opened, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    snapshot::{ConsoleStats, FieldId, LabCommand},
    text::duration,
};

pub(super) const ID: ScreenId = ScreenId("lab");

const SHORTEN: Action = Action::Lab(LabCommand::ShortenHold);
const LENGTHEN: Action = Action::Lab(LabCommand::LengthenHold);

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
            ScreenKey::new(Action::Open, Action::Open)
                .in_footer("tasks", 7)
                .help("the tasks of the selected workload, pinned"),
            ScreenKey::new(Action::Left, Action::ChangeHogKind(-1))
                .in_footer("kind", 3)
                .help("previous kind of hog"),
            ScreenKey::new(Action::Right, Action::ChangeHogKind(1))
                .help("next kind of hog; a running hog changes to it when the selection rests, or with Enter"),
            ScreenKey::new(SHORTEN, SHORTEN).in_footer("hold", 6),
            ScreenKey::new(LENGTHEN, LENGTHEN),
            ScreenKey::new(Action::SwitchMode, Action::SwitchMode),
            ScreenKey::new(Action::Raise, Action::Raise)
                .in_footer("count", 5)
                .help("one more instance of the selected workload"),
            ScreenKey::new(Action::Lower, Action::Lower).help("one instance fewer"),
            ScreenKey::new(Action::Pause, Action::Pause).in_footer("pause", 8),
            ScreenKey::new(Action::Restart, Action::Restart).in_footer("restart", 8),
        ],
        subscribe: |_| {},
        open: |app| app.selected_scope().map(Opened::Pin).map_err(|_| "no workload to open"),
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

/// A line.
#[derive(Default)]
struct Line {
    spans: Spans,
    /// The position of its workload, and the width of the row.
    row: Option<(usize, u16)>,
    /// The parts that can be clicked: column, width and target.
    clicks: Vec<(u16, u16, HitTarget)>,
}

impl From<Spans> for Line {
    fn from(spans: Spans) -> Line {
        Line { spans, ..Line::default() }
    }
}

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
    for (line, y) in lines.iter().skip(scroll).zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), &line.spans);
        if let Some((workload, width)) = line.row {
            table::finish_row(app, canvas, Rect { width, ..area }, workload, y);
        }
        for (x, width, target) in &line.clicks {
            let part = Rect::new(area.x + x, y, *width, 1);
            canvas.on_click(part.intersection(area), *target);
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
    let controls = |available: usize| {
        let mut lines = workloads::lines(lab, model.slowdown(), theme, available);
        lines.push(Line::default());
        lines.extend(hog::lines(&lab.hog, app.next_hog_kind(), theme, available));
        let console = lab.console.iter().flat_map(|served| console(served, theme, available));
        lines.extend(console.map(Line::from));
        lines
    };
    let trials = |available: usize| {
        let trials = trials::lines(model.trials(), theme, available);
        (!trials.is_empty())
            .then(Line::default)
            .into_iter()
            .chain(trials.into_iter().map(Line::from))
    };
    if let Some([left, right]) = columns::widths(width) {
        let mut controls = controls(left);
        let lesson = lesson::lines(&lab.lesson, theme, right.min(MAX_TEXT));
        // Trials are below the controls if the lesson leaves lines free there, else below both.
        let mut trials_beside: Vec<Line> = trials(left).collect();
        let is_beside = controls.len() + trials_beside.len() <= lesson.len();
        if is_beside {
            controls.append(&mut trials_beside);
        }
        let texts = controls.iter_mut().map(|line| std::mem::take(&mut line.spans)).collect();
        let both = beside(texts, lesson, left, theme);
        controls.resize_with(both.len(), Line::default);
        let merged = controls.into_iter().zip(both).map(|(line, spans)| Line { spans, ..line });
        let below = (!is_beside).then(|| trials(width.into()));
        return merged.chain(below.into_iter().flatten()).collect();
    }
    let available = usize::from(width).min(MAX_TEXT);
    let mut lines = controls(available);
    lines.extend(trials(available));
    lines.push(Line::default());
    lines.extend(lesson::lines(&lab.lesson, theme, available).into_iter().map(Line::from));
    lines
}

/// Longer lines are hard to read.
const MAX_TEXT: usize = 94;

/// A name that can be selected with a click.
struct Choice<'a> {
    name: &'a str,
    is_current: bool,
    style: Style,
    target: HitTarget,
}

/// Choices after a label, on as many lines as they need. The current one is marked.
fn choices(label: &str, all: &[Choice<'_>], theme: Theme, width: usize) -> Vec<Line> {
    const LABEL: usize = 15;
    let start = |label: &str| Line::from(vec![(format!(" {label:<LABEL$}"), theme.title())]);
    let mut lines = vec![start(label)];
    for choice in all {
        let mark = if choice.is_current { theme.glyph("▸", ">") } else { " " };
        let text = format!("{mark}{} ", choice.name);
        let wide = text.width();
        let is_full = |line: &Line| {
            let used = width_of(&line.spans);
            used > LABEL + 1 && used + wide > width
        };
        if lines.last().is_none_or(is_full) {
            lines.push(start(""));
        }
        let Some(line) = lines.last_mut() else { continue };
        let x = width_of(&line.spans) as u16;
        line.clicks.push((x, wide as u16, choice.target));
        line.spans.push((text, choice.style));
    }
    lines
}

fn console(served: &ConsoleStats, theme: Theme, width: usize) -> Vec<Spans> {
    let ConsoleStats { address, added_ns_per_poll, ended } = served;
    let text = match ended {
        Some(why) => format!("the server for tokio-console has stopped: {why}"),
        None => format!(
            "tokio-console http://{address} shows these tasks too; console-subscriber adds {} to \
             each poll, included in all busy and scheduled times",
            duration(*added_ns_per_poll),
        ),
    };
    paragraph(&text, width, theme.warning())
}
